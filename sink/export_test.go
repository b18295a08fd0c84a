package sink

// WithoutBodies is for the fuzz test.
var WithoutBodies = withoutBodies

// Shortened is for the fuzz test, too.
var Shortened = shortened
