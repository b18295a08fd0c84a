package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"annals.dev/internal/access"
	"annals.dev/internal/ledger"
)

const initLong = `Init makes a ledger: the directory, the key that signs it, the authorities for the server's and the
clusters' certificates. Nothing else makes one: where a ledger has vanished, that is an alarm, and
not a reason to begin again in silence.

Give every name and address by which API servers will reach this machine. With --change-names they are
changed later; nothing else is, and a running server takes them up at once.`

const initExample = `  annals init --ip 192.0.2.5
  annals init --dns audit.example.com --key /mnt/usb/annals.key
  annals init --change-names --ip 192.0.2.5 --ip 172.18.0.1`

func newInit(e *env) *cobra.Command {
	var ips, dns []string
	var key string
	var change bool
	cmd := &cobra.Command{Use: "init", Short: "Make a ledger and its keys", Long: initLong, Example: initExample, Args: cobra.NoArgs}
	cmd.Flags().StringArrayVar(&ips, "ip", nil, "an address of this machine; repeat it for more")
	cmd.Flags().StringArrayVar(&dns, "dns", nil, "a name of this machine; repeat it for more")
	cmd.Flags().StringVar(&key, "key", "", "where to keep the signing key (default in the data directory)")
	cmd.Flags().BoolVar(&change, "change-names", false, "change the names and addresses of a ledger that is there already")
	perCall(cmd, "key", "change-names")
	cmd.RunE = func(*cobra.Command, []string) error {
		names, err := access.ParseNames(dns, ips)
		if err != nil {
			return &usageError{err}
		}
		if change {
			return e.changeNames(names, key)
		}
		desc, err := makeLedger(e.data, key, names)
		if err != nil {
			return err
		}
		keyPath := desc.Key
		if !filepath.IsAbs(keyPath) {
			keyPath = filepath.Join(e.data, keyPath)
		}
		fmt.Fprintf(e.out, "made %s\n", e.data)
		fmt.Fprintf(e.out, "  signing key   %s\n", keyPath)
		fmt.Fprintf(e.out, "  authorities   %s\n", filepath.Join(e.data, "pki"))
		fmt.Fprintf(e.out, "  public key    %s\n", desc.PublicKey)
		e.say("\nBack up the signing key and the authorities, and keep the public key where nobody who can change the")
		e.say("ledger can change it: with it, annals verify --key checks what this ledger says of itself.")
		if len(ips)+len(dns) == 0 {
			e.say("\nThe server's certificate is for localhost alone, since neither --ip nor --dns was given.")
		}
		e.say("\nNext: annals serve, and annals setup --help")
		return nil
	}
	return cmd
}

func (e *env) changeNames(names access.Names, key string) error {
	switch {
	case key != "":
		return usagef("--change-names leaves the signing key where it is: leave out --key")
	case len(names.DNS)+len(names.IPs) == 0:
		return usagef("--change-names replaces all names and addresses: give them with --ip and --dns")
	}
	if _, err := access.Open(e.data, e.logger(slog.LevelWarn)); err != nil {
		return err
	}
	if err := access.SetNames(e.data, names); err != nil {
		return err
	}
	e.say("the server's certificate is now for these names and addresses, and for localhost")
	return nil
}

// checkOwn refuses a directory in which others keep files: what stands between the ledger's own cannot be told from what
// somebody put there. lost+found is a file system's.
func checkOwn(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	own := []string{"ledger.json", "heads", "lock", "keys", "wal", "clusters", "pki", "pki.new", "lost+found"}
	for _, x := range entries {
		if name := strings.TrimSuffix(x.Name(), ".tmp"); !slices.Contains(own, name) {
			return fmt.Errorf("%s holds other files, %q among them: give the ledger a directory of its own with --data", dir, x.Name())
		}
	}
	return nil
}

// makeLedger makes the ledger, then the authorities; where the second failed before, it is done now.
func makeLedger(dir, key string, names access.Names) (*ledger.Description, error) {
	if _, err := os.Stat(filepath.Join(dir, "ledger.json")); errors.Is(err, fs.ErrNotExist) {
		if err := checkOwn(dir); err != nil {
			return nil, err
		}
	}
	desc, err := ledger.Init(dir, key)
	if errors.Is(err, ledger.ErrExists) {
		if _, serr := os.Stat(filepath.Join(dir, "pki")); !errors.Is(serr, fs.ErrNotExist) {
			return nil, err
		}
		desc, err = ledger.Describe(dir)
	}
	if err != nil {
		return nil, err
	}
	return desc, access.Init(dir, names)
}
