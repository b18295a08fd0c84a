package server

import (
	"context"
)

// CatchUp has the rules look at all events that they did not look at yet, of a directory that was opened here; a server does that
// by itself.
func (c *Client) CatchUp(ctx context.Context, progress func(done, total uint64)) error {
	if c.catchUp == nil {
		return nil
	}
	return c.catchUp(ctx, progress)
}

// Findings hands what rules found to f, the newest first.
func (c *Client) Findings(ctx context.Context, q FindingsQuestion, f func(Finding) error) (FindingsCover, error) {
	return ask[Finding, FindingsCover](ctx, c, "findings", q, f)
}

// TailFindings hands the newest findings to f, and then each as it is recorded, until ctx ends.
func (c *Client) TailFindings(ctx context.Context, q FindingsTailQuestion, f func(Finding) error) error {
	_, err := ask[Finding, FindingsCover](ctx, c, "findings/tail", q, f)
	return err
}

// FindingGroups hands groups of findings to f, the worst first.
func (c *Client) FindingGroups(ctx context.Context, q FindingGroupsQuestion, f func(FindingGroup) error) (FindingGroupsEnd, error) {
	return ask[FindingGroup, FindingGroupsEnd](ctx, c, "findings/groups", q, f)
}

// Finding tells one finding with all that belongs to it.
func (c *Client) Finding(ctx context.Context, q FindingQuestion) (FindingDetail, error) {
	return ask[nothing, FindingDetail](ctx, c, "findings/finding", q, nil)
}

// Rules hands the rules to f.
func (c *Client) Rules(ctx context.Context, q RulesQuestion, f func(RuleState) error) (RulesEnd, error) {
	return ask[RuleState, RulesEnd](ctx, c, "rules", q, f)
}

// Hunt runs rules over what happened.
func (c *Client) Hunt(ctx context.Context, q HuntQuestion, f func(Finding) error) (HuntEnd, error) {
	return ask[Finding, HuntEnd](ctx, c, "rules/hunt", q, f)
}

// Silences hands the silences to f.
func (c *Client) Silences(ctx context.Context, q SilencesQuestion, f func(Silence) error) (SilencesEnd, error) {
	return ask[Silence, SilencesEnd](ctx, c, "silences", q, f)
}

// CreateSilence makes a silence.
func (c *Client) CreateSilence(ctx context.Context, q CreateSilenceQuestion) (Silence, error) {
	return ask[nothing, Silence](ctx, c, "silences/create", q, nil)
}

// ExpireSilence ends a silence.
func (c *Client) ExpireSilence(ctx context.Context, q ExpireSilenceQuestion) (Silence, error) {
	return ask[nothing, Silence](ctx, c, "silences/expire", q, nil)
}

// Alerts hands what people were told to f, the newest first.
func (c *Client) Alerts(ctx context.Context, q AlertsQuestion, f func(Delivery) error) (AlertsEnd, error) {
	return ask[Delivery, AlertsEnd](ctx, c, "alerts", q, f)
}

// TestAlert sends a test to a destination.
func (c *Client) TestAlert(ctx context.Context, q TestAlertQuestion) (TestAlertEnd, error) {
	return ask[nothing, TestAlertEnd](ctx, c, "alerts/test", q, nil)
}
