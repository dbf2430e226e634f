package config

import "strings"

// nearest gives the word that takes the fewest edits to reach; the first of
// several.
func nearest(word string, words []string) string {
	best, fewest := "", -1
	for _, w := range words {
		if n := edits(strings.ToLower(word), strings.ToLower(w)); fewest < 0 || n < fewest {
			best, fewest = w, n
		}
	}
	return best
}

// edits is the Levenshtein distance in bytes, kept one row at a time.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
