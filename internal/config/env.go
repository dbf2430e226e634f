package config

import (
	"errors"
	"fmt"
	"strings"

	"reconciler/internal/nearest"
)

const (
	envPrefix = "RECONCILER_"
	envConfig = envPrefix + "CONFIG"
)

// variable gives the environment variable of a setting.
func (s setting) variable() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// variableOrigin begins the place of a value that a variable gave.
const variableOrigin = "environment variable "

// environment is the layer of the environment. An empty variable counts as
// not set; an unknown one is an error, since a misspelt protection protects
// nobody.
func environment(environ []string) (layer, error) {
	l := layer{}
	var problems []error
	known := map[string]setting{}
	names := []string{envConfig}
	for _, s := range settings {
		known[s.variable()] = s
		names = append(names, s.variable())
	}
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) || name == envConfig {
			continue
		}
		s, ok := known[name]
		if !ok {
			problems = append(problems, fmt.Errorf("environment variable %q sets nothing; did you mean %s?", name, nearest.Word(name, names)))
			continue
		}
		if text != "" {
			l[s.name] = given{s.split(text), variableOrigin + name}
		}
	}
	return l, errors.Join(problems...)
}

// lookup gives one variable, empty when it is not set.
func lookup(environ []string, name string) string {
	value := ""
	for _, pair := range environ {
		if text, ok := strings.CutPrefix(pair, name+"="); ok {
			value = text // the last one wins, as in the map of a process
		}
	}
	return value
}
