// Package alert tells people of findings. Start with Alerter.
//
// It reads the events of findings in cluster annals from a saved position, decides who is told of each, gathers what belongs
// together into messages, and delivers each message to its destination until that has taken it.
//
// It promises: a finding that a route sends to a destination is told there at least once, whatever is killed or unplugged
// meanwhile, and tried again under the same key, so that a receiver that honours keys takes it once; or its outcome says why
// not: silenced, inhibited, throttled, withdrawn, or refused for good. Each outcome is an event in cluster annals. A
// destination that hangs holds up no other. Nothing is sent anywhere but where the configuration says, and no credential
// anywhere else.
package alert
