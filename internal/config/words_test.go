package config

import (
	"strings"
	"testing"
)

func TestAMistakeInTheFileIsToldInPeoplesWords(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a tab before a key", "\tquota: 20\n", ":1: the line begins with a tab; indent with spaces"},
		{"a tab before a dash", "ignore:\n\t- 192.0.2.1\n", ":2: the line begins with a tab; indent with spaces"},
		{"a comma for a list", "ignore: 192.0.2.1, 192.0.2.2\n", `:1: ignore: "192.0.2.1, 192.0.2.2" is one value; write several as a list: ignore: [192.0.2.1, 192.0.2.2]`},
		{"a blank for a list", "hook: INPUT FORWARD\n", ":1: hook: \"INPUT FORWARD\" is one value; write several as a list: hook: [INPUT, FORWARD]"},
		{"a blank in a list", "nacl: [acl-1 acl-2]\n", "write several as a list: nacl: [acl-1, acl-2]"},
		{"a list that is not indented alike", "ignore:\n- 192.0.2.1\n  - 192.0.2.2\n", "write several as a list: ignore: [192.0.2.1, 192.0.2.2]"},
		{"a dash without a blank", "ignore:\n-192.0.2.1\n", `put a space behind the dash: "- 192.0.2.1"`},
		{"a dash in the key's line", "ignore: - 192.0.2.1\n", ":1: a list with dashes begins on the line below its key"},
		{"no blank behind the colon", "quota:20\n", `:1: not a mapping; put a space behind the colon: "quota: 20"`},
		{"an equals sign", "quota = 20\n", `:1: not a mapping; write a colon and a space: "quota: 20"`},
		{"a flag", "--quota=20\n", `:1: not a mapping; write a colon and a space: "quota: 20"`},
		{"yes for true", "dedicated: yes\n", `:1: dedicated: "yes" is neither true nor false; write true`},
		{"off for false", "hook-pin: Off\n", `:1: hook-pin: "Off" is neither true nor false; write false`},
		{"a number for true", "dedicated: 2\n", `:1: dedicated: "2" is neither true nor false; write true or false`},
		{"an open list", "ignore: [192.0.2.1\nquota: 20\n", "is not closed; write it as [a, b] in one line"},
		{"an open quotation mark", "ignore: \"192.0.2.1\nquota: 20\n", ":1: a quotation mark (\") is not closed"},
		{"an open apostrophe", "chain: 'x\n", ":1: a quotation mark (') is not closed"},
		{"typographic quotation marks", "chain: “x”\n", ":1: chain: \"“x”\" has typographic quotation marks; write \" or none"},
		{"an indented key", "quota: 20\n block: drop\n", "begin each key at the start of its line"},
		{"a key twice", "block: drop\nblock: reject\n", `:2: key "block" is there twice; keep one`},
		{"an at sign", "chain: @x\n", ":1: a value that begins with this character needs quotation marks"},
		{"an asterisk", "chain: *x\n", ":1: chain: is an alias; it takes a plain value, in quotation marks"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadWith(t, nil, nil, tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q gives %v, want %q", tt.text, err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("one mistake is told in several lines: %v", err)
			}
		})
	}
}

// What programs on Windows write before a text, and 1 and 0 for a switch.
func TestWhatIsMeantPlainlyIsTaken(t *testing.T) {
	for _, text := range []string{"\uFEFFdedicated: true\n", "dedicated: 1\n", "dedicated: True\n"} {
		if c := mustLoad(t, nil, nil, text); !c.Dedicated {
			t.Errorf("%q is not taken as true", text)
		}
	}
}
