package observed

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

const (
	offlineEntry = `{"RuleNumber":100,"Protocol":"-1","RuleAction":"allow","Egress":false,"CidrBlock":"0.0.0.0/0"}`
	offlineACL   = `{"NetworkAclId":"acl-1","Associations":[{"SubnetId":"subnet-a"}],"Entries":[` + offlineEntry + `]}`
	offlineRaw   = `{"NetworkAcls":[` + offlineACL + `]}`
)

func readOffline(text string) (State, error) {
	return ReadOffline(strings.NewReader(text), time.Unix(1, 0))
}

func TestTheOutputOfDescribeNetworkACLsIsTakenInEveryForm(t *testing.T) {
	for name, text := range map[string]string{
		"ours":                   `{"acls":` + offlineRaw + `}`,
		"ours, with a list":      `{"acls":[` + offlineACL + `]}`,
		"raw":                    offlineRaw,
		"raw, with keys to come": `{"NetworkAcls":[` + strings.Replace(offlineACL, `"Entries"`, `"Flavour":{"a":[1]},"Entries"`, 1) + `],"NextToken":null,"Futures":[]}`,
		"a list":                 "\n [" + offlineACL + "]\n",
	} {
		s, err := readOffline(text)
		if err != nil || len(s.ACLs) != 1 || s.ACLs[0].ID != "acl-1" || len(s.ACLs[0].Entries) != 1 || s.ACLs[0].Entries[0].Number != 100 || s.Host != nil {
			t.Errorf("%s: it reads as %+v (%v)", name, s, err)
		}
	}
	s, err := readOffline(`{"host":[{"prefix":"203.0.113.7"},{"prefix":"2001:db8::/48","until":"2026-03-01T12:00:00Z"}]}`)
	if err != nil || s.Host == nil || len(s.Host.Entries) != 2 || s.ACLs != nil {
		t.Errorf("a host alone reads as %+v (%v)", s, err)
	}
}

// Of whom an ACL is can be told, be nobody, or not be told.
func TestAssociationsThatAreNotToldAreNotNone(t *testing.T) {
	for associations, want := range map[string]string{
		`"Associations":[{"SubnetId":"subnet-a"}],`: "known 1",
		`"Associations":[],`:                        "known 0",
		`"Associations":null,`:                      "unknown 0",
		``:                                          "unknown 0",
	} {
		s, err := readOffline(strings.Replace(offlineRaw, `"Associations":[{"SubnetId":"subnet-a"}],`, associations, 1))
		if err != nil {
			t.Fatal(err)
		}
		got := "known"
		if s.ACLs[0].Subnets == nil {
			got = "unknown"
		}
		if got += " " + string(rune('0'+len(s.ACLs[0].Subnets))); got != want {
			t.Errorf("%s: %s, not %s", associations, got, want)
		}
	}
}

func TestAnObservedStateThatIsNotUnderstoodIsRefusedWithItsPlace(t *testing.T) {
	entry := func(from, to string) string { return strings.Replace(offlineRaw, from, to, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                       {"", "line 1, column 1: it is no JSON"},
		"no JSON":                       {"{\n  acls: []}", "line 2, column 3: invalid character 'a'"},
		"cut":                           {`{"acls":`, "ends too early"},
		"a second document":             {offlineRaw + "\n" + offlineRaw, "line 2, column 1: something follows the end"},
		"a trailing brace":              {offlineRaw + "}", "something follows the end"},
		"no key of ours":                {`{}`, `there is neither "acls" nor "host" in it`},
		"a string":                      {`"acls"`, "the file must be an object, and is a string"},
		"a mistyped key of ours":        {"{\n \"acl\": []}", `line 2, column 2: unknown key "acl" in the file; did you mean "acls"?`},
		"a key of ours in capitals":     {`{"ACLs":[],"host":[]}`, `unknown key "ACLs" in the file; did you mean "acls"?`},
		"the list's name in lower case": {`{"networkAcls":[]}`, `unknown key "networkAcls" in the file; did you mean "NetworkAcls"?`},
		"the same below acls":           {`{"acls":{"networkAcls":[]}}`, `line 1, column 10: unknown key "networkAcls"`},
		"acls without the list":         {`{"acls":{}}`, `lacks "NetworkAcls"`},
		"acls null":                     {`{"acls":null,"host":[]}`, `"acls" is null`},
		"acls a number":                 {`{"acls":5}`, "must be an object, and is a number"},
		"host beside the raw output":    {`{"NetworkAcls":[],"host":[]}`, `"host" does not stand beside "NetworkAcls"`},
		"one ACL alone":                 {offlineACL, `unknown key "NetworkAclId" in the file; did you mean "NetworkAcls"?`},
		"the ACLs an object":            {`{"NetworkAcls":{}}`, `"NetworkAcls" of the output of describe-network-acls must be a list, and is an object`},
		"a key twice":                   {`{"acls":[],"acls":[]}`, `column 12: the key "acls" is there twice`},
		"an ACL twice":                  {`[` + offlineACL + `,` + offlineACL + `]`, "acl-1 is there twice"},
		"an ACL without an ID":          {entry("NetworkAclId", "Id"), `a network ACL lacks "NetworkAclId"`},
		"an ACL without entries":        {entry(`"Entries"`, `"Rules"`), `lacks "Entries"`},
		"entries in lower case":         {entry(`"Entries"`, `"entries"`), `did you mean "Entries"?`},
		"entries in the singular":       {entry(`"Entries"`, `"Entry"`), `lacks "Entries"`},
		"associations mistyped":         {entry(`"Associations"`, `"Association"`), `did you mean "Associations"?`},
		"an association of nothing":     {entry(`{"SubnetId":"subnet-a"}`, `{}`), `an association lacks "SubnetId"`},
		"no number":                     {entry(`"RuleNumber":100,`, ``), `an entry lacks "RuleNumber"`},
		"a number in quotes":            {entry(`"RuleNumber":100`, `"RuleNumber":"100"`), `"RuleNumber" of an entry must be a number, and is a string`},
		"number 0":                      {entry(`"RuleNumber":100`, `"RuleNumber":0`), "a whole number from 1 to 32768"},
		"a number too high":             {entry(`"RuleNumber":100`, `"RuleNumber":40000`), "a whole number from 1 to 32768"},
		"half a number":                 {entry(`"RuleNumber":100`, `"RuleNumber":1.5`), "a whole number from 1 to 32768"},
		"no protocol":                   {entry(`"Protocol":"-1",`, ``), `lacks "Protocol"`},
		"a protocol by name":            {entry(`"Protocol":"-1"`, `"Protocol":"tcp"`), `the protocol "tcp"`},
		"a protocol without quotes":     {entry(`"Protocol":"-1"`, `"Protocol":-1`), `must be a string, and is a number`},
		"a protocol too high":           {entry(`"Protocol":"-1"`, `"Protocol":"256"`), `the protocol "256"`},
		"no action":                     {entry(`"RuleAction":"allow",`, ``), `lacks "RuleAction"`},
		"another action":                {entry(`"RuleAction":"allow"`, `"RuleAction":"Deny"`), "neither allow nor deny"},
		"no direction":                  {entry(`"Egress":false,`, ``), `lacks "Egress"`},
		"a direction in quotes":         {entry(`"Egress":false`, `"Egress":"false"`), "must be true or false"},
		"no prefix":                     {entry(`,"CidrBlock":"0.0.0.0/0"`, ``), `has neither "CidrBlock" nor "Ipv6CidrBlock"`},
		"two prefixes":                  {entry(`"CidrBlock"`, `"Ipv6CidrBlock":"::/0","CidrBlock"`), `has both "CidrBlock" and "Ipv6CidrBlock"`},
		"a prefix of the other family":  {entry(`"0.0.0.0/0"`, `"::/0"`), "no prefix of that family"},
		"no prefix at all":              {entry(`"0.0.0.0/0"`, `"0.0.0.0"`), "no prefix of that family"},
		"a rule twice":                  {entry(offlineEntry, offlineEntry+","+offlineEntry), "rule 100 is there twice"},
		"a range without an end":        {entry(`"Egress"`, `"PortRange":{"From":22},"Egress"`), `a port range lacks "To"`},
		"a range mistyped":              {entry(`"Egress"`, `"portRange":{"From":22,"To":22},"Egress"`), `did you mean "PortRange"?`},
		"a range upside down":           {entry(`"Egress"`, `"PortRange":{"From":22,"To":21},"Egress"`), "a whole number from 22 to 65535"},
		"a range too high":              {entry(`"Egress"`, `"PortRange":{"From":0,"To":65536},"Egress"`), "a whole number from 0 to 65535"},
		"a host that is no list":        {`{"host":{}}`, `"host" must be a list, and is an object`},
		"a host entry without a prefix": {`{"host":[{"until":null}]}`, `a host entry lacks "prefix"`},
		"a host entry mistyped":         {`{"host":[{"prefix":"192.0.2.1","untl":null}]}`, `unknown key "untl" in a host entry; did you mean "until"?`},
		"a host entry that is a string": {`{"host":["192.0.2.1"]}`, "a host entry must be an object, and is a string"},
		"a host entry with no address":  {`{"host":[{"prefix":"x"}]}`, `host entry "x"`},
		"a host entry with no time":     {`{"host":[{"prefix":"192.0.2.1","until":"soon"}]}`, `the end "soon" is no time`},
		"a host entry twice":            {`{"host":[{"prefix":"192.0.2.1"},{"prefix":"192.0.2.1/32"}]}`, "192.0.2.1/32 is there twice"},
		"nested without end":            {strings.Repeat("[", 1000), "nested too deeply"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readOffline(c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "line ") {
				t.Errorf("it says %v, not %q with a place", err, c.want)
			}
		})
	}
}

func TestAnOutboundEntryIsCheckedAndLeftOut(t *testing.T) {
	s, err := readOffline(strings.Replace(offlineRaw, offlineEntry, offlineEntry+","+strings.Replace(offlineEntry, "false", "true", 1), 1))
	if err != nil || len(s.ACLs[0].Entries) != 1 || s.ACLs[0].Entries[0].Prefix != netip.MustParsePrefix("0.0.0.0/0") {
		t.Errorf("it reads as %+v (%v)", s, err)
	}
}
