package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func jsonText(t *testing.T, r Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteJSON(&b, r); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b.Bytes()) {
		t.Fatalf("this is not JSON: %s", b.Bytes())
	}
	return b.Bytes()
}

const planJSON = `{"time":"2026-09-25T12:00:00Z","changes":[
  {"target":"host","action":"repair","why":"the jump is missing"},
  {"target":"host","action":"add","prefix":"203.0.113.7/32","until":"2026-09-25T12:12:00Z","jails":["sshd","web"],"why":"new ban"},
  {"target":"host","action":"refresh","prefix":"2001:db8::/64","until":null,"jails":["sshd"],"why":"prolonged"},
  {"target":"acl-0123","action":"replace","rule":2,"prefix":"203.0.113.7/32","old":"198.51.100.9/32","until":"2026-09-25T12:12:00Z","jails":["sshd","web"],"why":"expired; slot reused"},
  {"target":"acl-0123","action":"create","rule":4,"prefix":"2001:db8::/64","until":null,"jails":["sshd"],"why":"new ban"},
  {"target":"acl-0123","action":"delete","rule":17,"old":"198.51.100.8/32","why":"unbanned"},
  {"target":"host","action":"remove","prefix":"198.51.100.8/32","until":"2026-09-27T13:00:00Z","why":"unbanned"}],
 "withheld":[{"target":"host","action":"remove","prefix":"198.51.100.1/32","until":null,"why":"withheld: no record says why it should go"}],
 "summary":{"active":2,"nacl":{"acl-0123":{
   "ipv4":{"enforced":1,"capacity":18,"foreign":1,"unclaimed":0,"shadowed":0},
   "ipv6":{"enforced":1,"capacity":19,"foreign":0,"unclaimed":0,"shadowed":0}}},"host":{"enforced":2}},
 "skipped":[{"source":"/var/lib/reconciler/bans.jsonl","line":7,"error":"no op"}],
 "warnings":["the log is shorter than its snapshot"]}`

// tree reads JSON into plain values, in which field names and nulls can be compared.
func tree(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestJSONHasThePromisedShape(t *testing.T) {
	if diff := cmp.Diff(tree(t, []byte(planJSON)), tree(t, jsonText(t, shown()))); diff != "" {
		t.Errorf("the JSON is not as promised (-want +got):\n%s", diff)
	}
}

func TestJSONOfAnEmptyPlanHasEmptyLists(t *testing.T) {
	got := tree(t, jsonText(t, ReportOf(Compute(setOf(), observedNothing, standard(), start))))
	for _, field := range []string{"changes", "withheld", "skipped", "warnings"} {
		if list, ok := got[field].([]any); !ok || len(list) != 0 {
			t.Errorf("%s is %v, not an empty list", field, got[field])
		}
	}
	if nacl, ok := got["summary"].(map[string]any)["nacl"].(map[string]any); !ok || len(nacl) != 0 {
		t.Errorf("the ACLs of the summary are %v, not an empty object", got["summary"])
	}
}

func TestJSONOfAnApplyTellsTheResultOfEachChange(t *testing.T) {
	r := shown()
	r.Applied = true
	r.Outcomes = r.Outcomes[:3]
	r.Outcomes[0].Done, r.Outcomes[1].Done = true, true
	r.Outcomes[1].Err = errors.New("throttled")
	changes := tree(t, jsonText(t, r))["changes"].([]any)
	for i, want := range []struct{ result, err any }{{"ok", nil}, {"failed", "throttled"}, {nil, nil}} {
		c := changes[i].(map[string]any)
		if c["result"] != want.result || c["error"] != want.err {
			t.Errorf("change %d has the result %v and the error %v, not %v and %v", i, c["result"], c["error"], want.result, want.err)
		}
	}
}
