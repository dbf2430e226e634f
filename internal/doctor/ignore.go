package doctor

import "strings"

// ignored looks at whether anybody's own address is kept from being banned.
func (e *examination) ignored() {
	if len(e.Config.Ignore) > 0 {
		var all []string
		for _, p := range e.Config.Ignore {
			all = append(all, p.String())
		}
		e.ok("ignore", "never banned: %s", strings.Join(all, ", "))
		return
	}
	e.warn("ignore", e.edit()+" # ignore: [the addresses that you come from]",
		"the list of addresses never to ban is empty: a mistyped password can ban the address that you come from")
}
