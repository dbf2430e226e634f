package ec2sim

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"unicode/utf8"
)

// maxBody bounds a request. The longest that makes sense, 200 filter values,
// stays far below.
const maxBody = 1 << 20

// readForm reads the parameters of a Query API request. It takes POST with a
// form only: AWS takes GET too, but neither the SDK nor the CLI sends it.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, *apiError) {
	if r.Method != http.MethodPost {
		return nil, &apiError{codeInvalidAction, "Only POST requests are answered here", http.StatusMethodNotAllowed}
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, refuse(codeMalformed, "The Content-Type must be application/x-www-form-urlencoded")
	}
	if r.URL.RawQuery != "" {
		return nil, refuse(codeMalformed, "Parameters belong in the body of the request")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, refuse(codeMalformed, "The request could not be read: it is cut short or longer than %d bytes", maxBody)
	}
	return parseForm(string(body))
}

// parseForm refuses what could be read in two ways: a parameter given twice,
// and text that is not UTF-8.
func parseForm(body string) (url.Values, *apiError) {
	form, err := url.ParseQuery(body)
	if err != nil {
		return nil, refuse(codeMalformed, "The query string contains a syntax error")
	}
	for name, values := range form {
		if len(values) != 1 {
			return nil, refuse(codeMalformed, "The parameter %s is given more than once", name)
		}
		if !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return nil, refuse(codeMalformed, "The query string is not valid UTF-8")
		}
	}
	return form, nil
}
