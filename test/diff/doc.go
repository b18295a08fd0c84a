// Package diff holds Annals against kube-apiserver's own code, k8s.io/apiserver, which is the oracle of its tests: policies,
// requests, events, whole filter chains, the webhook on the wire, the log's rotation.
//
// Start with Differences, the list of all in which the two may differ, each with its reason. Any other difference fails a test,
// and so does an entry that no case of a run needs. docs/differences.md is the same list, for people.
//
// A run compares 100000 random cases; ANNALS_CASES sets another number.
package diff
