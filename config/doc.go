// Package config turns the environment, .env files and one strict YAML file
// into typed settings. It owns every default, the table of environment
// variables and the rules of what a good configuration is; it starts nothing
// and changes nothing outside itself (in particular never the process
// environment). Only the program's wiring reads it: other rooms get plain
// option structs.
//
// Precedence: environment over .env.$APP_ENV over .env over file over default.
// A variable that is set but empty counts as not set.
package config
