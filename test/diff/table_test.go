package diff

// Differences is the list of all deliberate differences.
var Differences = []*Difference{}
