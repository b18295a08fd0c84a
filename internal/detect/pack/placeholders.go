package pack

import "maps"

// Placeholders are what rules may name as %name%, and what stands in their place where nothing is configured.
func Placeholders() map[string][]string {
	return map[string][]string{
		// From where people and programs are expected: addresses that no network of somebody else's has.
		"approved_networks": {
			"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
			"fc00::/7", "fe80::/10", "::1/128",
		},
		"production_namespaces": {"prod", "production", "prod-*", "production-*", "*-prod", "*-production", "live"},
	}
}

func (c *Config) placeholders() map[string][]string {
	all := Placeholders()
	maps.Copy(all, c.Placeholders)
	return all
}
