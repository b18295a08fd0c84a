package sink

// WithoutBodies is for the fuzz test.
var WithoutBodies = withoutBodies
