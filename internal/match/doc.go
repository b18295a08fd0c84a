// Package match is the predicate: one condition over an event, the same behind a search, a rule, a redaction and a reader's
// scope. Start with Parse.
//
// A Predicate is evaluated over an event in memory (Match) and as SQL over the ledger's columns (SQL), and both give the same
// answer. A Set decides many at once, and a Tester is a condition that the language cannot say. What it can say is in
// docs/search.md.
package match
