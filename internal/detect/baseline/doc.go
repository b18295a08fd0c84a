// Package baseline finds what is unusual for a user or a service account, against its own past and against its peers. Start
// with Baseline, a detect.Detector, and score.go, which is all of the arithmetic.
//
// What is known of an actor is kept by day (UTC): which actions, namespaces, networks and clients were seen on which of the
// last 64 days, in which hours, and how many changes it made in its busiest hour. So what is unusual on a day is a function of
// the days before it, and of nothing else: not of the order in which events came.
//
// How unusual is told in bits: the binary logarithm of one over the probability. Something that this actor does on one day in
// sixteen is 4 bits, and if one peer in eight does it too, 3 more. Nothing is said of an actor before it has been active on
// five days, but of the number of changes that it makes, which is held against its peers.
package baseline
