package config

// Validate checks the settings as a whole and returns one *Error for each
// fault, joined.
func (c *Config) Validate() error {
	v := &validator{c: c}
	v.origins = c.origins
	return v.err()
}

type validator struct {
	problems
	c *Config
}

func (c *Config) warnings() []string { return nil }
