/* Loaded into a program (LD_PRELOAD), it ends the program or fills its disk at the N-th change of the files below
 * a directory: FAULT_ROOT says where, FAULT_SKIP which paths do not count, FAULT_AT which change, FAULT_KIND whether
 * the program is killed there ("kill") or finds the disk full from there on ("full"). FAULT_KIND can also say what the
 * file system lacks: locks ("no-locks"), or directories that can be synced ("no-directory-sync").
 *
 * FAULT_CLOCK names a file with two numbers of 8 bytes each: the seconds by which the time of day and the monotonic
 * clock are wrong while the program runs.
 *
 * A change is a file or directory made, written to, synced, renamed or removed, through the C library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long seen;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int is_kind(const char *name) {
    const char *kind = getenv("FAULT_KIND");
    return kind && strcmp(kind, name) == 0;
}

/* Checks whether the disk is full for this change; `takes` says whether the change needs room. */
static int is_full(const char *path, int takes) {
    const char *root = getenv("FAULT_ROOT"), *skip = getenv("FAULT_SKIP"), *at = getenv("FAULT_AT");
    if (!path || !root || !at || strncmp(path, root, strlen(root)) != 0) return 0;
    int kills = is_kind("kill");
    if (!kills && !is_kind("full")) return 0;
    int counts = !(skip && *skip && strstr(path, skip)) && (kills || takes);
    long number = counts ? __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST) : __atomic_load_n(&seen, __ATOMIC_SEQ_CST);
    if (kills) {
        if (counts && number == atol(at)) kill(getpid(), SIGKILL);
        return 0;
    }
    return takes && number >= atol(at);
}

static int is_full_fd(int fd, int takes) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return is_full(path, takes);
}

#define FULL(check) \
    do { \
        if (check) { \
            errno = ENOSPC; \
            return -1; \
        } \
    } while (0)

int rename(const char *from, const char *to) {
    REAL(rename);
    is_full(to, 0);
    return real(from, to);
}

int unlink(const char *path) {
    REAL(unlink);
    is_full(path, 0);
    return real(path);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    struct stat there;
    if (stat(path, &there) != 0) FULL(is_full(path, 1));
    return real(path, mode);
}

int flock(int fd, int operation) {
    REAL(flock);
    if (is_kind("no-locks")) {
        errno = ENOLCK;
        return -1;
    }
    return real(fd, operation);
}

int fsync(int fd) {
    REAL(fsync);
    struct stat there;
    if (is_kind("no-directory-sync") && fstat(fd, &there) == 0 && S_ISDIR(there.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    is_full_fd(fd, 0);
    return real(fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    is_full_fd(fd, 0);
    return real(fd);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(write);
    FULL(is_full_fd(fd, 1));
    return real(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    REAL(pwrite64);
    FULL(is_full_fd(fd, 1));
    return real(fd, bytes, count, offset);
}

int open64(const char *path, int flags, ...) {
    REAL(open64);
    va_list rest;
    va_start(rest, flags);
    mode_t mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (flags & O_CREAT) FULL(is_full(path, 1));
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    REAL(open);
    va_list rest;
    va_start(rest, flags);
    mode_t mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (flags & O_CREAT) FULL(is_full(path, 1));
    return real(path, flags, mode);
}

/* Calls the kernel directly: the lookup of a function may ask for the time itself. */
static const volatile long *clock_shift(void) {
    static const volatile long none[2], *shift;
    const volatile long *known = __atomic_load_n(&shift, __ATOMIC_ACQUIRE);
    if (known) return known;
    const char *path = getenv("FAULT_CLOCK");
    const void *map = MAP_FAILED;
    if (path) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
        map = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, fd, 0);
        syscall(SYS_close, fd);
    }
    known = map == MAP_FAILED ? none : map;
    __atomic_store_n(&shift, known, __ATOMIC_RELEASE);
    return known;
}

int clock_gettime(clockid_t id, struct timespec *time) {
    long result = syscall(SYS_clock_gettime, id, time);
    if (result == 0 && id == CLOCK_REALTIME) time->tv_sec += clock_shift()[0];
    if (result == 0 && id == CLOCK_MONOTONIC) time->tv_sec += clock_shift()[1];
    return (int)result;
}
