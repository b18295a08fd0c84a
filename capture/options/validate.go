package options

import (
	"fmt"
	"strings"
)

// Validate gives all that is wrong, in kube-apiserver's words. Of a backend that is not enabled nothing is looked at.
func (o *Options) Validate() []error {
	var all []error
	add := func(err error) {
		if err != nil {
			all = append(all, err)
		}
	}
	if l := &o.Log; l.enabled() {
		add(l.Batch.validate("log"))
		add(l.Truncate.validate("log"))
		add(validateVersion(l.Version))
		if l.Format != formatJSON && l.Format != formatLegacy {
			add(fmt.Errorf("invalid audit log format %s, allowed formats are %q", l.Format, formatLegacy+","+formatJSON))
		}
		add(negative("audit-log-maxage", l.MaxAge))
		add(negative("audit-log-maxbackup", l.MaxBackups))
		add(negative("audit-log-maxsize", l.MaxSize))
		add(negative("audit-log-maxtotal", l.MaxTotal))
		if l.MaxTotal > 0 && l.MaxTotal < l.MaxSize {
			add(fmt.Errorf("--audit-log-maxtotal %d is less than --audit-log-maxsize %d: every rotated file would be deleted at once", l.MaxTotal, l.MaxSize))
		}
		if l.TwoLines && l.Format != formatLegacy {
			add(fmt.Errorf("--audit-log-two-lines is a form of the legacy format: give --audit-log-format=legacy too, not %s", l.Format))
		}
	}
	if w := &o.Webhook; w.enabled() {
		add(w.Batch.validate("webhook"))
		add(w.Truncate.validate("webhook"))
		add(validateVersion(w.Version))
		if w.InitialBackoff < 0 {
			add(fmt.Errorf("--audit-webhook-initial-backoff %v can't be negative", w.InitialBackoff))
		}
		if w.Spool != "" && w.SpoolMaxSize <= 0 {
			add(fmt.Errorf("invalid audit webhook spool max size %d, must be a positive number of megabytes", w.SpoolMaxSize))
		}
	} else if w.Spool != "" {
		add(fmt.Errorf("--audit-webhook-spool-directory %s has nothing to keep: give --audit-webhook-config-file too", w.Spool))
	}
	if o.PolicyMode != PolicyStrict && o.PolicyMode != PolicyUpstream {
		add(fmt.Errorf("invalid audit policy mode %s, allowed modes are %q", o.PolicyMode, PolicyStrict+","+PolicyUpstream))
	}
	return all
}

func (b *Batch) validate(name string) error {
	switch {
	case !b.known():
		return fmt.Errorf("invalid audit %s mode %s, allowed modes are %q", name, b.Mode, strings.Join(modes, ","))
	case b.Mode != ModeBatch:
		return nil
	case b.BufferSize <= 0:
		return fmt.Errorf("invalid audit batch %s buffer size %v, must be a positive number", name, b.BufferSize)
	case b.MaxSize <= 0:
		return fmt.Errorf("invalid audit batch %s max batch size %v, must be a positive number", name, b.MaxSize)
	case b.ThrottleEnable && b.ThrottleQPS <= 0:
		return fmt.Errorf("invalid audit batch %s throttle QPS %v, must be a positive number", name, b.ThrottleQPS)
	case b.ThrottleEnable && b.ThrottleBurst <= 0:
		return fmt.Errorf("invalid audit batch %s throttle burst %v, must be a positive number", name, b.ThrottleBurst)
	}
	return nil
}

// validate looks at the limits also where truncating is off, as kube-apiserver does.
func (t *Truncate) validate(name string) error {
	switch {
	case t.MaxEventSize <= 0:
		return fmt.Errorf("invalid audit truncate %s max event size %v, must be a positive number", name, t.MaxEventSize)
	case t.MaxBatchSize < t.MaxEventSize:
		return fmt.Errorf("invalid audit truncate %s max batch size %v, must be greater than max event size (%v)", name, t.MaxBatchSize, t.MaxEventSize)
	}
	return nil
}

func validateVersion(s string) error {
	if strings.Count(s, "/") > 1 {
		return fmt.Errorf("unexpected GroupVersion string: %s", s)
	}
	if s != version {
		return fmt.Errorf("invalid group version, allowed versions are [%q]", version)
	}
	return nil
}

func negative(flag string, n int) error {
	if n < 0 {
		return fmt.Errorf("--%s %v can't be a negative number", flag, n)
	}
	return nil
}
