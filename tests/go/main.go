// Logclient reads a log as any client of transparency logs does: with the Go project's own packages
// for signed notes and tiles, and nothing of the node's.
//
// It opens the checkpoint with the log's verifier key, reads every entry bundle, holds each record
// hash against the tiles, and verifies the inclusion of every entry. With -seen it also proves that
// the tree extends the one in an earlier checkpoint; with -save it keeps the checkpoint for that.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	// An entry bundle of 256 entries of 64 KiB, and then some.
	maxBody = 20 << 20
)

func main() {
	url := flag.String("url", "", "the node")
	caFile := flag.String("ca", "", "the one certificate authority to trust, PEM")
	key := flag.String("key", "", "the log's verifier key")
	seen := flag.String("seen", "", "file with an earlier checkpoint, to prove consistency from")
	save := flag.String("save", "", "file to keep the checkpoint in")
	flag.Parse()
	if err := run(*url, *caFile, *key, *seen, *save); err != nil {
		fmt.Fprintln(os.Stderr, "logclient:", err)
		os.Exit(1)
	}
}

func run(url, caFile, key, seen, save string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	web, err := newWeb(url, caFile)
	if err != nil {
		return err
	}
	signed, err := web.get("checkpoint")
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(signed, verifier)
	if err != nil {
		return err
	}
	tiles := &tileReader{web: web, held: map[string][]byte{}}
	hashes := tlog.TileHashReader(tree, tiles)
	if err := checkEntries(web, tree, hashes); err != nil {
		return err
	}
	if seen != "" {
		earlier, err := os.ReadFile(seen)
		if err != nil {
			return err
		}
		old, err := openCheckpoint(earlier, verifier)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(tree.N, old.N, hashes)
		if err != nil {
			return fmt.Errorf("proving growth from %d: %w", old.N, err)
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			return fmt.Errorf("growth from %d: %w", old.N, err)
		}
		fmt.Printf("consistent %d %d\n", old.N, tree.N)
	}
	if save != "" {
		if err := os.WriteFile(save, signed, 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("included %d\n", tree.N)
	fmt.Printf("tiles %d\n", len(tiles.held))
	return nil
}

// openCheckpoint returns the tree that a signed note states. The format is C2SP's tlog-checkpoint:
// the origin, which is the key's name, the size and the root, each on a line of its own.
func openCheckpoint(signed []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("checkpoint: not of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// checkEntries reads every bundle and verifies each of its entries.
func checkEntries(web *web, tree tlog.Tree, hashes tlog.HashReader) error {
	for first := int64(0); first < tree.N; first += tileWidth {
		width := min(tree.N-first, tileWidth)
		entries, err := web.bundle(first/tileWidth, int(width))
		if err != nil {
			return err
		}
		for place, entry := range entries {
			index := first + int64(place)
			record := tlog.RecordHash(entry)
			// What the tiles say of this record; the reader has held them against the root.
			stored, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			if err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
			if stored[0] != record {
				return fmt.Errorf("entry %d is not the one in the tiles", index)
			}
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			if err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, record); err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
		}
	}
	return nil
}

// web reads files below a URL.
type web struct {
	url    string
	client *http.Client
}

func newWeb(url, caFile string) (*web, error) {
	authority, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, errors.New("no certificate authority in " + caFile)
	}
	transport := &http.Transport{
		Proxy:           nil,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13},
	}
	return &web{strings.TrimSuffix(url, "/"), &http.Client{Transport: transport, Timeout: time.Minute}}, nil
}

func (w *web) get(path string) ([]byte, error) {
	response, err := w.client.Get(w.url + "/" + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK || len(body) > maxBody {
		return nil, fmt.Errorf("%s: %s, %d bytes", path, response.Status, len(body))
	}
	return body, nil
}

// bundle returns the entries of a bundle: each after its length in two bytes, big-endian.
func (w *web) bundle(number int64, width int) ([][]byte, error) {
	path := place("entries", number, width)
	data, err := w.get(path)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) >= 2 {
		length := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+length {
			break
		}
		entries = append(entries, data[2:2+length])
		data = data[2+length:]
	}
	if len(data) != 0 || len(entries) != width {
		return nil, fmt.Errorf("%s does not hold %d entries", path, width)
	}
	return entries, nil
}

// tileReader gives tiles to tlog.TileHashReader, each read once.
type tileReader struct {
	web  *web
	held map[string][]byte
}

func (r *tileReader) Height() int { return tileHeight }

func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for i, tile := range tiles {
		path := place(strconv.Itoa(tile.L), tile.N, tile.W)
		data, ok := r.held[path]
		if !ok {
			var err error
			if data, err = r.web.get(path); err != nil {
				return nil, err
			}
			r.held[path] = data
		}
		found[i] = data
	}
	return found, nil
}

func (r *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

// place returns the path of a tile or bundle as C2SP's tlog-tiles writes it, which leaves out the
// height that tlog.Tile.Path has.
func place(level string, number int64, width int) string {
	index := fmt.Sprintf("%03d", number%1000)
	for number >= 1000 {
		number /= 1000
		index = fmt.Sprintf("x%03d/%s", number%1000, index)
	}
	path := "tile/" + level + "/" + index
	if width < tileWidth {
		path += fmt.Sprintf(".p/%d", width)
	}
	return path
}
