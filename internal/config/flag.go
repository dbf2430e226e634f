package config

import (
	"strings"

	"github.com/spf13/pflag"
)

// flagValue is a flag of one setting. It keeps the text; Load checks it.
type flagValue struct {
	setting *setting
	values  []string
	given   bool
}

// addFlag adds the flag of one setting.
func addFlag(fs *pflag.FlagSet, s *setting) {
	f := fs.VarPF(&flagValue{setting: s, values: s.def}, s.name, "", s.usage)
	if s.arg == "" {
		f.NoOptDefVal = "true"
	}
}

// Set takes one use of the flag. The first replaces the default; a list grows
// with every further one, the last of a single value wins.
func (v *flagValue) Set(text string) error {
	if !v.given || !v.setting.list {
		v.values, v.given = nil, true
	}
	v.values = append(v.values, v.setting.split(text)...)
	return nil
}

// String gives the value as the flag would take it.
func (v *flagValue) String() string { return strings.Join(v.values, ",") }

// Type is what the help shows for the value.
func (v *flagValue) Type() string {
	if v.setting.arg == "" {
		return "bool"
	}
	return v.setting.arg
}

// split gives the values in a flag or a variable: a list may be written with
// commas.
func (s setting) split(text string) []string {
	if !s.list {
		return []string{text}
	}
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// flags is the layer of the flags that were used.
func flags(fs *pflag.FlagSet) layer {
	l := layer{}
	fs.Visit(func(f *pflag.Flag) {
		if v, ok := f.Value.(*flagValue); ok {
			l[f.Name] = given{v.values, "flag --" + f.Name}
		}
	})
	return l
}
