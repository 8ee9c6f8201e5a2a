package config

import _ "embed" // for prices.json

//go:embed prices.json
var prices string

// Prices returns the built-in list of models and prices, for internal/catalog.
func Prices() []byte { return []byte(prices) }
