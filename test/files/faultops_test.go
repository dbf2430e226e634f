//go:build e2e

package files

import (
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Each of these operations can meet a fault. The kernel asks for them as a
// process opens, reads, writes, locks and renames; flock itself stays in the
// kernel.

func (d *disk) Lookup(cancel <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if status, hit := d.fails("lookup", header.NodeId, name); hit {
		return status
	}
	status := d.RawFileSystem.Lookup(cancel, header, name, out)
	if status.Ok() && out.NodeId != 0 {
		d.named(out.NodeId, name)
	}
	return status
}

func (d *disk) GetAttr(cancel <-chan struct{}, input *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	if status, hit := d.fails("getattr", input.NodeId, ""); hit {
		return status
	}
	return d.RawFileSystem.GetAttr(cancel, input, out)
}

func (d *disk) SetAttr(cancel <-chan struct{}, input *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if status, hit := d.fails("setattr", input.NodeId, ""); hit {
		return status
	}
	return d.RawFileSystem.SetAttr(cancel, input, out)
}

func (d *disk) Mkdir(cancel <-chan struct{}, input *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	if status, hit := d.fails("mkdir", input.NodeId, name); hit {
		return status
	}
	status := d.RawFileSystem.Mkdir(cancel, input, name, out)
	if status.Ok() {
		d.named(out.NodeId, name)
	}
	return status
}

func (d *disk) Unlink(cancel <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	if status, hit := d.fails("unlink", header.NodeId, name); hit {
		return status
	}
	return d.RawFileSystem.Unlink(cancel, header, name)
}

func (d *disk) Rename(cancel <-chan struct{}, input *fuse.RenameIn, oldName, newName string) fuse.Status {
	if status, hit := d.fails("rename", input.NodeId, newName); hit {
		return status
	}
	return d.RawFileSystem.Rename(cancel, input, oldName, newName)
}

func (d *disk) Create(cancel <-chan struct{}, input *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	if status, hit := d.fails("create", input.NodeId, name); hit {
		return status
	}
	status := d.RawFileSystem.Create(cancel, input, name, out)
	if status.Ok() {
		d.named(out.NodeId, name)
		out.OpenFlags |= fuse.FOPEN_DIRECT_IO // no page cache, so that every read and write comes here
	}
	return status
}

func (d *disk) Open(cancel <-chan struct{}, input *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if status, hit := d.fails("open", input.NodeId, ""); hit {
		return status
	}
	status := d.RawFileSystem.Open(cancel, input, out)
	out.OpenFlags |= fuse.FOPEN_DIRECT_IO
	d.settled(input.NodeId)
	return status
}

func (d *disk) Read(cancel <-chan struct{}, input *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	if status, hit := d.fails("read", input.NodeId, ""); hit {
		return nil, status
	}
	return d.RawFileSystem.Read(cancel, input, buf)
}

func (d *disk) Lseek(cancel <-chan struct{}, input *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	if status, hit := d.fails("lseek", input.NodeId, ""); hit {
		return status
	}
	return d.RawFileSystem.Lseek(cancel, input, out)
}

// Writev is not offered, so that every write comes to Write.
func (d *disk) Writev(<-chan struct{}, *fuse.WriteIn, [][]byte) (uint32, fuse.Status) {
	return 0, fuse.ENOSYS
}

func (d *disk) Write(cancel <-chan struct{}, input *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	f, hit := d.operation("write", input.NodeId, "")
	if hit && !f.Short {
		return 0, fuse.Status(f.Errno)
	}
	if hit {
		data = data[:len(data)/2]
	}
	return d.RawFileSystem.Write(cancel, input, data)
}

func (d *disk) Flush(cancel <-chan struct{}, input *fuse.FlushIn) fuse.Status {
	if status, hit := d.fails("flush", input.NodeId, ""); hit {
		return status
	}
	return d.RawFileSystem.Flush(cancel, input)
}

func (d *disk) Fsync(cancel <-chan struct{}, input *fuse.FsyncIn) fuse.Status {
	f, hit := d.operation("fsync", input.NodeId, "")
	if hit && f.Drop {
		d.drop(input.NodeId)
	}
	if hit {
		return fuse.Status(f.Errno)
	}
	status := d.RawFileSystem.Fsync(cancel, input)
	d.settled(input.NodeId)
	return status
}

func (d *disk) Fallocate(cancel <-chan struct{}, input *fuse.FallocateIn) fuse.Status {
	if status, hit := d.fails("fallocate", input.NodeId, ""); hit {
		return status
	}
	return d.RawFileSystem.Fallocate(cancel, input)
}

func (d *disk) OpenDir(cancel <-chan struct{}, input *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if status, hit := d.fails("opendir", input.NodeId, ""); hit {
		return status
	}
	return d.RawFileSystem.OpenDir(cancel, input, out)
}

func (d *disk) ReadDir(cancel <-chan struct{}, input *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	if status, hit := d.fails("readdir", input.NodeId, ""); hit {
		return status
	}
	return d.RawFileSystem.ReadDir(cancel, input, out)
}

func (d *disk) FsyncDir(cancel <-chan struct{}, input *fuse.FsyncIn) fuse.Status {
	if status, hit := d.fails("fsyncdir", input.NodeId, ""); hit {
		return status
	}
	return d.RawFileSystem.FsyncDir(cancel, input)
}

func (d *disk) StatFs(cancel <-chan struct{}, header *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	if status, hit := d.fails("statfs", header.NodeId, ""); hit {
		return status
	}
	return d.RawFileSystem.StatFs(cancel, header, out)
}

// Statx is left to GetAttr.
func (d *disk) Statx(<-chan struct{}, *fuse.StatxIn, *fuse.StatxOut) fuse.Status { return fuse.ENOSYS }

// CopyFileRange is left to Read and Write.
func (d *disk) CopyFileRange(<-chan struct{}, *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	return 0, fuse.ENOSYS
}
