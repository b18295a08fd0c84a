package lint

func (c *checker) serverAndPolicy() {}

// Server is.
type Server struct{}
