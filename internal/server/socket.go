package server

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A server answers on a unix socket in its data directory. A socket's address has room for about a hundred bytes: where
// the path is longer, the socket stands in the runtime directory and socketNote says where.
const (
	socketName = "annals.sock"
	socketNote = "annals.sock.at"
	maxSocket  = 100 // of 104 on macOS, 108 on Linux
)

// ErrNoServer says that no server answers for a data directory.
var ErrNoServer = errors.New("no server runs on this data directory")

// listenSocket opens the socket. The caller holds the ledger's lock, so a socket that is there is left over.
func listenSocket(dir string) (net.Listener, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	path, note := filepath.Join(abs, socketName), filepath.Join(abs, socketNote)
	if err := os.Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if len(path) > maxSocket {
		run, err := runtimeDir()
		if err != nil {
			return nil, fmt.Errorf("socket: %s is too long for a socket's address: %w", path, err)
		}
		path = filepath.Join(run, fmt.Sprintf("annals-%.8x.sock", sha256.Sum256([]byte(abs))))
		if err := os.WriteFile(note, []byte(path+"\n"), 0o600); err != nil {
			return nil, fmt.Errorf("socket: %w", err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("socket: %w", err)
	}
	// Between bind and chmod the socket is as open as the umask leaves it, but it stands in a folder of mode 0700.
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("socket: %w", err)
	}
	return &socketListener{l, note}, nil
}

// socketListener takes the note away with the socket.
type socketListener struct {
	net.Listener
	note string
}

func (l *socketListener) Close() error {
	err := l.Listener.Close()
	if nerr := os.Remove(l.note); err == nil && nerr != nil && !errors.Is(nerr, fs.ErrNotExist) {
		err = nerr
	}
	return err
}

// dialSocket connects to the server of a data directory, or gives ErrNoServer.
func dialSocket(dir string) (net.Conn, error) {
	path := filepath.Join(dir, socketName)
	if note, err := os.ReadFile(filepath.Join(dir, socketNote)); err == nil {
		path = strings.TrimSpace(string(note))
	}
	c, err := net.DialTimeout("unix", path, 5*time.Second)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOTDIR):
		return nil, ErrNoServer // EINVAL: the path is too long, and there is no note
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s belongs to another user: run the command as the user that the server runs as: %w", path, err)
	}
	return nil, fmt.Errorf("asking the server: %w", err)
}

// runtimeDir gives a folder that only this user can enter.
func runtimeDir() (string, error) {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && len(dir) < maxSocket-30 {
		return dir, ownFolder(dir)
	}
	dir := filepath.Join("/tmp", fmt.Sprintf("annals-%d", os.Getuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return dir, ownFolder(dir)
}

// ownFolder refuses a folder that somebody else has put there, or may put files into.
func ownFolder(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(st.Uid) != os.Getuid() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("runtime directory %s must be a folder of mode 0700 that belongs to user %d", dir, os.Getuid())
	}
	return nil
}
