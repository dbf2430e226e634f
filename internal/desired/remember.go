package desired

import (
	"bufio"
	"encoding/json"

	"golang.org/x/sys/unix"
)

// RememberedSources gives the logs that the snapshot of one log knows of. A
// snapshot that cannot be read knows of none; whoever loads it says so.
func RememberedSources(logPath string) map[string]Origin { return sourcesIn(logPath + ".snap") }

// CachedSources does the same for the snapshot of this host's object in S3.
func CachedSources(cacheDirectory string, a Address, host string) map[string]Origin {
	return sourcesIn(newObjectLog(a, a.ObjectOf(host), host).cachePath(cacheDir(cacheDirectory, a)))
}

func sourcesIn(snapshotPath string) map[string]Origin {
	file, err := openTrusted(snapshotPath, unix.O_RDONLY)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 1<<16), maxSnapshotLine)
	var h header
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &h) != nil {
		return nil
	}
	return h.Sources
}
