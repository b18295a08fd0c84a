package past

import (
	"context"

	"annals.dev/internal/detect"
	"annals.dev/internal/query"
)

// Hunt hands what a rule would have found, of requests received in the range, to f, in no certain order. Rules are all there are:
// a correlation asks for others.
func Hunt(ctx context.Context, reader *query.Reader, rules []*detect.Rule, id string, over query.Range, f func(*detect.Finding) error) (*query.Coverage, error) {
	return nil, nil
}
