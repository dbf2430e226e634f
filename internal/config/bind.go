package config

import (
	"errors"
	"fmt"
)

// one makes the setter of a setting that holds a single value.
func one[T any](parse func(string) (T, error), field func(*Config) *T) func(*Config, []string) error {
	return func(c *Config, values []string) error {
		if len(values) != 1 {
			return fmt.Errorf("takes one value, %d are given", len(values))
		}
		v, err := parse(values[0])
		if err != nil {
			return err
		}
		*field(c) = v
		return nil
	}
}

// all makes the setter of a repeatable setting. Every bad value is reported;
// a value that is given twice counts once.
func all[T comparable](parse func(string) (T, error), field func(*Config) *[]T) func(*Config, []string) error {
	return func(c *Config, values []string) error {
		var list []T
		var problems []error
		seen := map[T]bool{}
		for _, text := range values {
			v, err := parse(text)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			if !seen[v] {
				seen[v] = true
				list = append(list, v)
			}
		}
		if len(problems) > 0 {
			return errors.Join(problems...)
		}
		*field(c) = list
		return nil
	}
}

// allNACLs is all with one more rule: auto and none mean something only alone.
func allNACLs(c *Config, values []string) error {
	if err := all(parseNACL, func(c *Config) *[]string { return &c.NACL })(c, values); err != nil {
		return err
	}
	if len(c.NACL) < 2 {
		return nil
	}
	for _, id := range c.NACL {
		if id == NACLAuto || id == NACLNone {
			return fmt.Errorf("%s stands alone; drop it or the other values", id)
		}
	}
	return nil
}
