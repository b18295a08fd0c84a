// Package detect watches events for attacks: rules in, findings out. Start with Rule, Engine and Finding. A
// Watcher runs an engine over a ledger; package past asks of what is in one.
//
// A rule is a predicate over one event (package match), or a correlation over the events of other rules. Whatever language it
// was written in (sigma, falco, or a search that was saved), the same engine decides it, over the next event in memory and
// over last year in the ledger.
//
// It promises: findings depend on the set of events alone, not on the order or the batches in which they came, nor on
// restarts. So everything is defined over the set:
//
//   - A request is the events of one cluster with the same audit ID, requestReceivedTimestamp and requestURI: its stages. It
//     counts once. (An audit ID alone will not do: the client chooses it.) Its time is that timestamp; where there is none, or
//     one later than the event, the event's own.
//   - A rule over one event finds each request of which an event matches.
//   - A correlation looks, in each group, at the matching requests in the order of their time and then of their identity. At
//     each it asks the condition of those in the timespan that ends there, both ends included. It finds where the condition
//     becomes true: is so here, and was not at the request before, or there is none before within the timespan.
//   - A finding's ID is a hash of the rule's ID and version, the group, and the identities of the requests that caused it.
//
// Single events are found at once. Windows wait until the watermark has passed them, so that little of what is found must be
// taken back; an event that comes later than that has its windows evaluated again, and what is no longer true is withdrawn by
// an event of its own.
package detect
