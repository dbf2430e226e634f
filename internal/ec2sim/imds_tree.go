package ec2sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// credentialLife is how long the role's credentials are good.
const credentialLife = 6 * time.Hour

// metadataLeaves lists every value of the metadata service by its path below
// /latest/ ("Instance metadata categories").
func metadataLeaves(w *world, region string, now time.Time) map[string]string {
	leaves := map[string]string{
		"meta-data/instance-id":                          w.Instance,
		"meta-data/placement/availability-zone":          region + "a",
		"meta-data/placement/region":                     region,
		"meta-data/services/domain":                      "amazonaws.com",
		"meta-data/services/partition":                   "aws",
		"meta-data/iam/security-credentials/" + roleName: roleCredentials(now),
		"dynamic/instance-identity/document":             identity(w, region),
	}
	for i, d := range w.devices() {
		if i == 0 {
			primaryLeaves(leaves, d, region)
		}
		deviceLeaves(leaves, w, d)
	}
	return leaves
}

// primaryLeaves are those of the instance that speak of its first interface.
func primaryLeaves(leaves map[string]string, d *netDevice, region string) {
	ip := d.Private[0].String()
	leaves["meta-data/mac"] = d.MAC
	leaves["meta-data/local-ipv4"] = ip
	name := fmt.Sprintf("ip-%s.%s.compute.internal", strings.ReplaceAll(ip, ".", "-"), region)
	leaves["meta-data/local-hostname"] = name
	leaves["meta-data/hostname"] = name
	if len(d.Public) > 0 {
		leaves["meta-data/public-ipv4"] = d.Public[0].String()
	}
	if len(d.IPv6) > 0 {
		leaves["meta-data/ipv6"] = d.IPv6[0].String()
	}
}

// deviceLeaves are those below network/interfaces/macs/. What an interface does
// not have is absent, so that a read of it is a 404.
func deviceLeaves(leaves map[string]string, w *world, d *netDevice) {
	s := w.Subnets[d.Subnet]
	v := w.VPCs[s.VPC]
	values := map[string][]string{
		"device-number":           {fmt.Sprint(d.Device)},
		"interface-id":            {d.ID},
		"mac":                     {d.MAC},
		"owner-id":                {account},
		"subnet-id":               {s.ID},
		"subnet-ipv4-cidr-block":  {s.IPv4.String()},
		"subnet-ipv6-cidr-blocks": when(s.IPv6.IsValid(), s.IPv6),
		"vpc-id":                  {v.ID},
		"vpc-ipv4-cidr-block":     {v.IPv4.String()},
		"vpc-ipv4-cidr-blocks":    {v.IPv4.String()},
		"vpc-ipv6-cidr-blocks":    when(v.IPv6.IsValid(), v.IPv6),
		"local-ipv4s":             texts(d.Private),
		"public-ipv4s":            texts(d.Public),
		"ipv6s":                   texts(d.IPv6),
	}
	for name, lines := range values {
		if len(lines) > 0 {
			leaves["meta-data/network/interfaces/macs/"+d.MAC+"/"+name] = strings.Join(lines, "\n")
		}
	}
	for i, public := range d.Public {
		leaves["meta-data/network/interfaces/macs/"+d.MAC+"/ipv4-associations/"+public.String()] = d.Private[i].String()
	}
}

// listing reads a value, or the names below a path: a slash follows those that
// have names below them again.
func listing(leaves map[string]string, path string) (string, bool) {
	if v, ok := leaves[path]; ok {
		return v, true
	}
	dir := strings.TrimSuffix(path, "/") + "/"
	names := map[string]bool{}
	for leaf := range leaves {
		rest, ok := strings.CutPrefix(leaf, dir)
		if !ok {
			continue
		}
		name, _, deeper := strings.Cut(rest, "/")
		if deeper {
			name += "/"
		}
		names[name] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), "\n"), len(names) > 0
}

func roleCredentials(now time.Time) string {
	return document(map[string]string{
		"Code": "Success", "Type": "AWS-HMAC",
		"AccessKeyId": accessKey, "SecretAccessKey": secretKey, "Token": "simulated",
		"LastUpdated": now.UTC().Format(time.RFC3339), "Expiration": now.Add(credentialLife).UTC().Format(time.RFC3339),
	})
}

func identity(w *world, region string) string {
	doc := map[string]string{
		"accountId": account, "architecture": "arm64", "availabilityZone": region + "a", "imageId": "ami-0123456789abcdef0",
		"instanceId": w.Instance, "instanceType": "t4g.nano", "pendingTime": attachedAt.Format(time.RFC3339),
		"region": region, "version": "2017-09-30",
	}
	if d := w.devices(); len(d) > 0 {
		doc["privateIp"] = d[0].Private[0].String()
	}
	return document(doc)
}

func document(m map[string]string) string {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		panic(err) // a map of strings always marshals
	}
	return string(b)
}
