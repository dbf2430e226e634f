package plan

import (
	"fmt"
	"slices"
)

// markUnnamed marks removals that are withheld from a target of which the logs
// name less than half: then they are more likely other logs than the bans were
// made from, and an operator has to look at the setting first. While a source is
// not known, that is the cause.
func (w *Want) markUnnamed(withheld []Change, entries int) {
	unnamed := 0
	for _, c := range withheld {
		if !w.names(Subject(c), w.width) {
			unnamed++
		}
	}
	if w.incomplete() || unnamed == 0 || 2*unnamed <= entries {
		return
	}
	for i := range withheld {
		withheld[i].Unnamed = true
	}
}

// Unnamed reports whether the logs name next to nothing of what a target enforces.
func Unnamed(withheld []Change) bool {
	return slices.ContainsFunc(withheld, func(c Change) bool { return c.Unnamed })
}

// Advice says what an operator should know of removals that are withheld, and do:
// one sentence each. It is empty where nothing is withheld.
func Advice(withheld []Change) string {
	n := len(withheld)
	if n == 0 {
		return ""
	}
	if Unnamed(withheld) {
		return fmt.Sprintf("the logs name nothing of what is enforced here, so no removal is let through (withheld: %d): is the setting `state` right? "+
			"After a move to another log keep the former one in the list, such as state: [s3://bucket/prefix/, /var/lib/reconciler/bans.jsonl]; "+
			"only if they are all to go: `reconciler confirm`", n)
	}
	return fmt.Sprintf("removals withheld because no record explains them: %d; `reconciler confirm` makes the running daemon let them through, "+
		"`reconciler apply --force` where none runs", n)
}
