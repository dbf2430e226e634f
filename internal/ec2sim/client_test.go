package ec2sim

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// earlyClosed is a body as the SDK leaves it when the answer came early: read
// to its end, and closed for WriteTo.
type earlyClosed struct{ io.Reader }

func (earlyClosed) Close() error                     { return nil }
func (earlyClosed) WriteTo(io.Writer) (int64, error) { return 0, io.EOF }

func TestALongAnswerSurvivesABodyClosedEarly(t *testing.T) {
	long := bytes.Repeat([]byte("<item/>\n"), 1<<12)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a short read shows below
		_, _ = w.Write(long)
	}))
	t.Cleanup(h.Close)
	for range 20 {
		const form = "Action=DescribeNetworkAcls"
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL, earlyClosed{strings.NewReader(form)})
		wantOK(t, err)
		r.ContentLength = int64(len(form))
		resp, err := newHTTPClient().Do(r)
		wantOK(t, err)
		got, err := io.ReadAll(resp.Body)
		wantOK(t, err)
		wantOK(t, resp.Body.Close())
		if !bytes.Equal(got, long) {
			t.Fatalf("%d of %d bytes of the answer came", len(got), len(long))
		}
	}
}
