package falco

// defect is something that a rule cannot do, or does though it should not.
type defect struct{ kind, message string }

func (r *resolver) defects(d *ruleDef, e expr, o *output) []defect { return nil }
