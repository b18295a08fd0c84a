package alert

import "annals.dev/internal/detect"

// Fits says whether a silence is about a finding, at whatever time.
func (s *Silence) Fits(f *detect.Finding) bool { return s.matches(f) }
