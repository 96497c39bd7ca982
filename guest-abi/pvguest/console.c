// SPDX-License-Identifier: MIT
/*
 * Output through the PV console ring (xen/io/console.h), and a small printf.
 *
 * Relies on start_info->console.domU and on the ring's page being mapped by the domain builder at its usual
 * place.
 */
#include <stdarg.h>

#include "pvguest/mm.h"
#include "pvguest/runtime.h"

#include <xen/io/console.h>

static struct xencons_interface *ring;
static int ring_lock;

void console_init(void)
{
    if (start_info->console.domU.mfn)
        ring = pfn_to_virt(mfn_to_pfn(start_info->console.domU.mfn));
}

static void console_notify(void)
{
    struct evtchn_send send = {.port = start_info->console.domU.evtchn};

    hc_event_channel_op(EVTCHNOP_send, &send);
}

void console_write(const char *buf, size_t n)
{
    if (!ring)
        return;
    while (__atomic_exchange_n(&ring_lock, 1, __ATOMIC_ACQUIRE))
        hc_sched_op(SCHEDOP_yield, NULL);
    while (n) {
        uint32_t prod = ring->out_prod;
        uint32_t room = sizeof(ring->out) - (prod - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE));

        if (!room) {
            console_notify();
            hc_sched_op(SCHEDOP_yield, NULL);
            continue;
        }
        for (; n && room; n--, room--)
            ring->out[MASK_XENCONS_IDX(prod++, ring->out)] = *buf++;
        __atomic_store_n(&ring->out_prod, prod, __ATOMIC_RELEASE);
    }
    console_notify();
    __atomic_store_n(&ring_lock, 0, __ATOMIC_RELEASE);
}

void console_drain(void)
{
    uint64_t until = system_time_ns() + 5000000000UL;

    while (ring && __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) != ring->out_prod &&
           system_time_ns() < until)
        hc_sched_op(SCHEDOP_yield, NULL);
}

/* Where formatted text goes: buf[0 .. size-1], len counts what there would be. */
struct sink {
    char *buf;
    size_t size, len;
};

static void sink_char(struct sink *s, char c)
{
    if (s->len + 1 < s->size)
        s->buf[s->len] = c;
    s->len++;
}

struct spec {
    bool left, zero;
    unsigned width;
};

static void sink_field(struct sink *s, const struct spec *spec, const char *sign, const char *text, size_t n)
{
    size_t total = n + strlen(sign);

    if (!spec->left && !spec->zero)
        for (size_t i = total; i < spec->width; i++)
            sink_char(s, ' ');
    while (*sign)
        sink_char(s, *sign++);
    if (!spec->left && spec->zero)
        for (size_t i = total; i < spec->width; i++)
            sink_char(s, '0');
    for (size_t i = 0; i < n; i++)
        sink_char(s, text[i]);
    if (spec->left)
        for (size_t i = total; i < spec->width; i++)
            sink_char(s, ' ');
}

static void sink_number(struct sink *s, const struct spec *spec, uint64_t value, unsigned base,
                        const char *sign)
{
    char digits[24];
    size_t n = sizeof(digits);

    do {
        digits[--n] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    sink_field(s, spec, sign, digits + n, sizeof(digits) - n);
}

static void format(struct sink *s, const char *fmt, va_list ap)
{
    for (; *fmt; fmt++) {
        struct spec spec = {0};
        bool is_long = false;

        if (*fmt != '%') {
            sink_char(s, *fmt);
            continue;
        }
        for (fmt++; *fmt == '-' || *fmt == '0'; fmt++)
            *(*fmt == '-' ? &spec.left : &spec.zero) = true;
        for (; *fmt >= '0' && *fmt <= '9'; fmt++)
            spec.width = spec.width * 10 + (unsigned)(*fmt - '0');
        for (; *fmt == 'l' || *fmt == 'z'; fmt++)
            is_long = true;
        switch (*fmt) {
        case 'd':
        case 'i': {
            int64_t value = is_long ? va_arg(ap, long) : va_arg(ap, int);

            sink_number(s, &spec, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0 ? "-" : "");
            break;
        }
        case 'u':
            sink_number(s, &spec, is_long ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 10, "");
            break;
        case 'x':
        case 'X':
            sink_number(s, &spec, is_long ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 16, "");
            break;
        case 'p':
            sink_number(s, &spec, va_arg(ap, unsigned long), 16, "0x");
            break;
        case 's': {
            const char *text = va_arg(ap, const char *);

            sink_field(s, &spec, "", text, strlen(text));
            break;
        }
        case 'c': {
            char c = (char)va_arg(ap, int);

            sink_field(s, &spec, "", &c, 1);
            break;
        }
        case '\0':
            return;
        default:
            sink_char(s, *fmt);
            break;
        }
    }
}

static int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
    struct sink s = {buf, size, 0};

    format(&s, fmt, ap);
    if (size)
        buf[s.len < size ? s.len : size - 1] = '\0';
    return (int)s.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}

int printf(const char *fmt, ...)
{
    char line[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    console_write(line, strlen(line));
    return n;
}

void check_at(const char *file, int line, bool ok, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    __atomic_fetch_add(&checks_done, 1, __ATOMIC_RELAXED);
    if (ok)
        return;
    __atomic_fetch_add(&checks_failed, 1, __ATOMIC_RELAXED);
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    printf("FAIL: %s:%d: %s\n", file, line, text);
}

void panic(const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    printf("PANIC: %s\n", text);
    shutdown(SHUTDOWN_crash);
}
