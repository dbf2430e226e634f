package config

import (
	"bytes"
	"fmt"
	"strings"
)

// Sample returns the reference of the settings that is shipped: each key with its
// default, switched off.
func Sample() []byte {
	var b bytes.Buffer
	b.WriteString("# Every setting of reconciler with its default. Those that you change belong into\n" +
		"# " + DefaultPath + ", a file of your own that no upgrade touches.\n" +
		"# Every key is also a flag (--key) and an environment variable (" + envPrefix + "KEY);\n" +
		"# a flag wins over the environment, which wins over the file. A list given in\n" +
		"# one place replaces that of the others. Unknown keys are errors.\n")
	for _, s := range settings {
		usage := strings.ToUpper(s.usage[:1]) + s.usage[1:]
		fmt.Fprintf(&b, "\n# %s.\n", usage)
		if s.arg != "" {
			fmt.Fprintf(&b, "# Takes %s.\n", s.takes())
		}
		fmt.Fprintf(&b, "#%s: %s\n", s.name, s.yamlDefault())
	}
	return b.Bytes()
}

func (s setting) takes() string {
	if s.list {
		return s.arg + ", or a list of them"
	}
	return s.arg
}

func (s setting) yamlDefault() string {
	if s.list {
		return "[" + strings.Join(s.def, ", ") + "]"
	}
	return s.def[0]
}
