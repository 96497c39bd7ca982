/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console on standard input and output: a terminal in raw mode, or pipes, files and sockets.
 *
 * One thread waits for input and for signals.  Input waits in a buffer for the console device; when that is
 * full, a pipe isn't read on (its writer waits), while a terminal is: it must see Ctrl-], so that what
 * doesn't fit is answered by a bell, as a terminal's own line discipline does.  Output is written by the
 * caller.
 *
 * Standard input and output are shared with other processes, so their O_NONBLOCK isn't ours to set.  Where a
 * write or read could block after poll() has said it won't, we have an open file of our own.
 */
#include "host/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/message.h"

#define ESCAPE            0x1d /* Ctrl-] */
#define INPUT_SIZE        (256ul * 1024)
#define ABANDONED_WAIT_MS 200

static struct {
    const struct console_events *events;
    pthread_t thread;
    bool open;
    int in_fd, out_fd;
    bool out_is_socket;
    bool is_terminal; /* standard input is one, and raw */
    struct termios raw;
    int signal_fd;
    int wake_fd;      /* eventfd: the thread looks at closing and at room in the buffer */
    int input_fd;     /* eventfd: readable while count > 0 */
    int abandon_fd;   /* eventfd: readable after console_abandon() */
    int closing;      /* atomic */
    int abandoned;    /* atomic */
    bool output_gone; /* caller of console_output() only */

    pthread_mutex_t lock; /* for what follows */
    uint8_t input[INPUT_SIZE];
    size_t first, count;
    bool full; /* the thread waits for room */
} console = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .signal_fd = -1, .wake_fd = -1, .input_fd = -1, .abandon_fd = -1};

static void event_set(int fd)
{
    uint64_t one = 1;

    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static void event_clear(int fd)
{
    uint64_t n;

    while (read(fd, &n, sizeof(n)) < 0 && errno == EINTR)
        ;
}

/* ---- output ---- */

/* One write that doesn't wait for a slow reader, at most PIPE_BUF bytes: what poll() promised. */
static ssize_t output_some(const void *p, size_t n)
{
    if (console.out_is_socket)
        return send(console.out_fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return write(console.out_fd, p, n < 4096 ? n : 4096);
}

void console_output(const void *p, size_t n)
{
    const uint8_t *bytes = p;

    while (n && !console.output_gone) {
        bool abandoned = __atomic_load_n(&console.abandoned, __ATOMIC_ACQUIRE);
        struct pollfd fds[2] = {
            {.fd = console.out_fd, .events = POLLOUT},
            {.fd = abandoned ? -1 : console.abandon_fd, .events = POLLIN},
        };
        int ready = poll(fds, 2, abandoned ? ABANDONED_WAIT_MS : -1);
        ssize_t done;

        if (!ready)
            console.output_gone = true;
        if (ready <= 0 || !fds[0].revents)
            continue; /* EINTR, or told just now not to wait any more */
        done = output_some(bytes, n);
        if (done >= 0) {
            bytes += done;
            n -= (size_t)done;
        } else if (errno != EAGAIN && errno != EINTR) {
            diag_warn("standard output: %s; the guest runs on, what its console says is lost",
                      strerror(errno));
            console.output_gone = true;
        }
    }
}

void console_abandon(void)
{
    if (!console.open)
        return;
    __atomic_store_n(&console.abandoned, 1, __ATOMIC_RELEASE);
    event_set(console.abandon_fd);
}

/* ---- input ---- */

int console_input_fd(void)
{
    return console.input_fd;
}

size_t console_input(void *p, size_t n)
{
    uint8_t *bytes = p;
    bool wake = false;

    pthread_mutex_lock(&console.lock);
    if (n > console.count)
        n = console.count;
    for (size_t i = 0; i < n; i++)
        bytes[i] = console.input[(console.first + i) % INPUT_SIZE];
    console.first = (console.first + n) % INPUT_SIZE;
    console.count -= n;
    if (n && !console.count)
        event_clear(console.input_fd);
    if (n && console.full) {
        console.full = false;
        wake = true;
    }
    pthread_mutex_unlock(&console.lock);
    if (wake)
        event_set(console.wake_fd);
    return n;
}

/* Takes n bytes into the buffer; the result is how many there was room for. */
static size_t input_put(const uint8_t *bytes, size_t n)
{
    pthread_mutex_lock(&console.lock);
    if (n > INPUT_SIZE - console.count)
        n = INPUT_SIZE - console.count;
    for (size_t i = 0; i < n; i++)
        console.input[(console.first + console.count + i) % INPUT_SIZE] = bytes[i];
    if (n && !console.count)
        event_set(console.input_fd);
    console.count += n;
    pthread_mutex_unlock(&console.lock);
    return n;
}

/* How much may be read from standard input now.  0: full(), console_input() will wake the thread. */
static size_t input_room(void)
{
    size_t room;

    pthread_mutex_lock(&console.lock);
    room = INPUT_SIZE - console.count;
    console.full = !room;
    pthread_mutex_unlock(&console.lock);
    return room;
}

/* Standard input is readable. False at its end. */
static bool input_read(size_t room)
{
    uint8_t bytes[4096];
    uint8_t *escape = NULL;
    ssize_t n;

    if (console.is_terminal || room > sizeof(bytes))
        room = sizeof(bytes);
    n = read(console.in_fd, bytes, room);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (!n)
        return false;
    if (console.is_terminal)
        escape = memchr(bytes, ESCAPE, (size_t)n);
    if (escape)
        n = escape - bytes;
    if (input_put(bytes, (size_t)n) < (size_t)n)
        message_write("\a", 1);
    if (escape)
        console.events->detached();
    return true;
}

/* ---- the thread ---- */

static void signal_read(void)
{
    struct signalfd_siginfo si;

    if (read(console.signal_fd, &si, sizeof(si)) != sizeof(si))
        return;
    if (si.ssi_signo != SIGCONT)
        console.events->signalled((int)si.ssi_signo);
    else if (__atomic_load_n(&terminal.raw, __ATOMIC_ACQUIRE))
        tcsetattr(console.in_fd, TCSANOW, &console.raw); /* the shell has changed it while we were stopped */
}

static void *console_thread(void *arg)
{
    bool at_end = false;

    (void)arg;
    while (!__atomic_load_n(&console.closing, __ATOMIC_ACQUIRE)) {
        size_t room = input_room();
        bool listen = !at_end && (room || console.is_terminal);
        struct pollfd fds[3] = {
            {.fd = console.wake_fd, .events = POLLIN},
            {.fd = console.signal_fd, .events = POLLIN},
            {.fd = listen ? console.in_fd : -1, .events = POLLIN},
        };

        if (poll(fds, 3, -1) < 0)
            continue; /* EINTR */
        if (fds[0].revents)
            event_clear(console.wake_fd);
        if (fds[1].revents)
            signal_read();
        if (fds[2].revents && !input_read(room))
            at_end = true;
    }
    return NULL;
}

/* ---- opening and closing ---- */

/*
 * A non-blocking open file of our own for a terminal or pipe; fd itself for the rest, which don't block, and
 * where /proc or the file's permissions don't allow that.
 */
static int reopen_nonblocking(int fd, int flags)
{
    char path[32];
    struct stat st;
    int own;

    if (fstat(fd, &st) || !(S_ISFIFO(st.st_mode) || isatty(fd)))
        return fd;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return own < 0 ? fd : own;
}

/* SIGHUP under nohup and SIGINT of a shell's background jobs were set to be ignored, and stay so. */
static int signals_open(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction sa;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCONT);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (!sigaction(ends[i], NULL, &sa) && sa.sa_handler != SIG_IGN)
            sigaddset(&set, ends[i]);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -errno;
    if (pthread_sigmask(SIG_BLOCK, &set, NULL))
        return -EINVAL;
    console.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return console.signal_fd < 0 ? -errno : 0;
}

static int terminal_make_raw(void)
{
    struct termios t;

    console.is_terminal = isatty(STDIN_FILENO);
    if (!console.is_terminal)
        return 0;
    terminal.fd = STDIN_FILENO;
    if (ioctl(STDIN_FILENO, TCGETS, terminal.saved) || tcgetattr(STDIN_FILENO, &t))
        return -errno;
    cfmakeraw(&t);
    console.raw = t;
    /* Said first: a signal that comes between the two must not leave a raw terminal. */
    __atomic_store_n(&terminal.raw, 1, __ATOMIC_RELEASE);
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &t)) {
        int err = errno;

        terminal_restore();
        return -err;
    }
    return 0;
}

int console_open(const struct console_events *events, const char **why)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
    struct stat st;
    sigset_t all, old;
    int err;

    console.events = events;
    *why = "signals";
    err = signals_open();
    if (err)
        return err;
    *why = "eventfd";
    console.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    console.input_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    console.abandon_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (console.wake_fd < 0 || console.input_fd < 0 || console.abandon_fd < 0)
        return -errno;
    console.in_fd = reopen_nonblocking(STDIN_FILENO, O_RDONLY);
    console.out_fd = reopen_nonblocking(STDOUT_FILENO, O_WRONLY);
    console.out_is_socket = !fstat(STDOUT_FILENO, &st) && S_ISSOCK(st.st_mode);
    *why = "terminal on standard input";
    err = terminal_make_raw();
    if (err)
        return err;
    /* What is sent to the process comes by signalfd or isn't this thread's; only its own faults are. */
    *why = "starting the console's thread (check 'ulimit -u' and 'ulimit -v')";
    sigfillset(&all);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    console.open = true; /* the thread may call console_abandon() at once */
    err = pthread_create(&console.thread, NULL, console_thread, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err) {
        console.open = false;
        terminal_restore();
        return -err;
    }
    return 0;
}

void console_close(void)
{
    if (!console.open)
        return;
    __atomic_store_n(&console.closing, 1, __ATOMIC_RELEASE);
    event_set(console.wake_fd);
    pthread_join(console.thread, NULL);
    terminal_restore();
    console.open = false;
}
