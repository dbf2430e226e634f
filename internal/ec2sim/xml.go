package ec2sim

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
)

// Name spaces of the two services' answers.
const (
	versionEC2 = "2016-11-15"
	versionSTS = "2011-06-15"
	spaceEC2   = "http://ec2.amazonaws.com/doc/2016-11-15/"
	spaceSTS   = "https://sts.amazonaws.com/doc/2011-06-15/"
)

// reply is the answer to an action, without its outermost element.
type reply interface{ setRequestID(id string) }

// head is what every EC2 answer begins with.
type head struct {
	RequestID string `xml:"requestId"`
}

func (h *head) setRequestID(id string) { h.RequestID = id }

// done answers the actions that have nothing to tell.
type done struct {
	head
	Return bool `xml:"return"`
}

// encode writes an answer under the element that carries the action's name.
func encode(action, space, requestID string, r reply) ([]byte, error) {
	r.setRequestID(requestID)
	var b bytes.Buffer
	b.WriteString(xml.Header)
	start := xml.StartElement{Name: xml.Name{Space: space, Local: action + "Response"}}
	if err := xml.NewEncoder(&b).EncodeElement(r, start); err != nil {
		return nil, fmt.Errorf("encoding the answer to %s: %w", action, err)
	}
	return b.Bytes(), nil
}

// xmlError is how EC2 answers an error.
type xmlError struct {
	XMLName   xml.Name `xml:"Response"`
	Code      string   `xml:"Errors>Error>Code"`
	Message   string   `xml:"Errors>Error>Message"`
	RequestID string   `xml:"RequestID"`
}

// xmlErrorSTS is how STS answers an error.
type xmlErrorSTS struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func encodeError(service, requestID string, e *apiError) ([]byte, error) {
	var v any = xmlError{Code: e.code, Message: e.message, RequestID: requestID}
	if service == serviceSTS {
		v = xmlErrorSTS{Type: "Sender", Code: e.code, Message: e.message, RequestID: requestID}
	}
	b, err := xml.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding the error %s: %w", e.code, err)
	}
	return append([]byte(xml.Header), b...), nil
}

// set is a list as EC2 writes it; an empty one is still an element.
type set[T any] struct {
	Items []T `xml:"item"`
}

type xmlTag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

func tagSet(t tags) set[xmlTag] {
	var out set[xmlTag]
	for _, key := range slices.Sorted(maps.Keys(t)) {
		out.Items = append(out.Items, xmlTag{Key: key, Value: t[key]})
	}
	return out
}
