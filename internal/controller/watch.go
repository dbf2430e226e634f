package controller

import (
	"context"
	"errors"
	"fmt"

	"github.com/fsnotify/fsnotify"
)

// Watch gives a wake-up whenever something happens in one of the directories.
// Directories are watched, never files: a watch on a file misses all that
// follows its replacement. An event says only "look"; the reader compares inode
// and size each time, and a poll beside it makes up for what the kernel drops.
func Watch(ctx context.Context, dirs []string) (<-chan struct{}, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching %v: %w", dirs, err)
	}
	for _, dir := range dirs {
		if err := watcher.Add(dir); err != nil {
			return nil, errors.Join(fmt.Errorf("watching %s: %w", dir, err), watcher.Close())
		}
	}
	wake := make(chan struct{}, 1)
	go func() {
		defer watcher.Close() //nolint:errcheck // the process or the loop ends here
		for {
			select {
			case <-ctx.Done():
				return
			case <-watcher.Errors: //nolint:errcheck // an overflow means: look
			case e := <-watcher.Events:
				if e.Op == fsnotify.Chmod {
					continue
				}
			}
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}()
	return wake, nil
}
