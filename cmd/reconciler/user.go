package main

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"reconciler/internal/tool"
)

// forbidden reports whether an error is that this user may not do what root may.
func forbidden(err error) bool {
	return os.Geteuid() != 0 && (errors.Is(err, fs.ErrPermission) || errors.Is(err, tool.ErrNotPermitted))
}

// hidden reports whether this user may not read the state. What could be shown
// without it would not be what is so.
func hidden(err error) bool { return forbidden(err) && errors.Is(err, fs.ErrPermission) }

// asRoot returns a further line for an error that root would not have met: the
// same command as root.
func asRoot(err error, args []string) string {
	if !forbidden(err) {
		return ""
	}
	words := []string{"sudo", programName}
	for _, arg := range args {
		words = append(words, shellWord(arg))
	}
	return "\nrun it as root: " + strings.Join(words, " ")
}

// shellWord quotes a word for a shell where it must be quoted.
func shellWord(word string) string {
	if plain, err := regexp.MatchString(`^[A-Za-z0-9_@%+=:,./-]+$`, word); err == nil && plain {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
