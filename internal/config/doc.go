package config

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Doc describes a setting to its reader.
type Doc struct {
	Key      string
	Variable string
	Takes    string // the form of a value; empty: true or false
	List     bool   // takes several
	Default  string // as in the file
	Usage    string // what it is for, in a clause
}

// Docs describes every setting, in the order of the reference.
func Docs() []Doc {
	docs := make([]Doc, 0, len(settings))
	for _, s := range settings {
		docs = append(docs, Doc{s.name, s.variable(), s.arg, s.list, s.yamlDefault(), s.usage})
	}
	return docs
}

// IsSetting reports whether a flag is one of Register, and not of a command.
func IsSetting(f *pflag.Flag) bool {
	_, ok := f.Value.(*flagValue)
	return ok || f.Name == "config"
}

// fixed is a word that a value can be, rather than a stand-in for one.
var fixed = lazily(`^([a-z:]+|AES256)$`)

// Choices returns the words that a setting can be, for shells to complete; nil:
// it takes something else.
func Choices(f *pflag.Flag) []string {
	v, ok := f.Value.(*flagValue)
	if !ok {
		return nil
	}
	if v.setting.arg == "" {
		return []string{"true", "false"}
	}
	words := strings.Split(v.setting.arg, "|")
	return slices.DeleteFunc(words, func(word string) bool { return !fixed().MatchString(word) })
}
