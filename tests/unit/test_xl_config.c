/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration files: what good ones mean, what bad ones are told, what is warned about.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/xl_config.h"
#include "suite.h"

static struct vm_config c;
static char why[400];
static char warnings[4096];

/* Parses text with stderr going to warnings[]. */
static int parse(const char *text)
{
    FILE *catch = tmpfile();
    int saved = dup(STDERR_FILENO), ret;
    size_t n;

    vm_config_init(&c);
    why[0] = 0;
    dup2(fileno(catch), STDERR_FILENO);
    ret = xl_config_parse("g.cfg", text, strlen(text), &c, why, sizeof(why));
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(catch);
    n = fread(warnings, 1, sizeof(warnings) - 1, catch);
    warnings[n] = 0;
    fclose(catch);
    return ret;
}

static void refused(const char *text, const char *said)
{
    ck_assert_msg(parse(text) == -1, "taken: %s", text);
    ck_assert_msg(strstr(why, said) != NULL, "%s: said '%s'", text, why);
    ck_assert_msg(!strncmp(why, "g.cfg", 5) && !strchr(why, '\n'), "'%s' doesn't name the file on one line",
                  why);
    vm_config_free(&c);
}

START_TEST(complete)
{
    ck_assert_int_eq(parse("# a guest\n"
                           "name = \"web\"\n"
                           "uuid = '01234567-89ab-cdef-0123-456789ABCDEF'\n"
                           "type=\"pv\"; kernel=\"/boot/vmlinuz\"\n"
                           "ramdisk='/boot/initrd'\n"
                           "root=\"/dev/ram0\"\n"
                           "extra=\"console=hvc0 # no comment\"\n"
                           "memory=512\nmaxmem=\"1024\"\nvcpus=4\n"
                           "on_poweroff=\"preserve\"\non_reboot=\"destroy\"\non_crash=\"restart\"\n"),
                     0);
    ck_assert_str_eq(warnings, "");
    ck_assert_str_eq(c.name, "web");
    ck_assert(c.uuid_set);
    ck_assert_mem_eq(c.uuid, "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef", 16);
    ck_assert_str_eq(c.kernel, "/boot/vmlinuz");
    ck_assert_str_eq(c.ramdisk, "/boot/initrd");
    ck_assert_str_eq(c.cmdline, "root=/dev/ram0 console=hvc0 # no comment");
    ck_assert_uint_eq(c.memory, 512UL << 20);
    ck_assert_uint_eq(c.maxmem, 1024UL << 20);
    ck_assert_uint_eq(c.vcpus, 4);
    ck_assert_int_eq(c.on_poweroff, VM_PRESERVE);
    ck_assert_int_eq(c.on_reboot, VM_DESTROY);
    ck_assert_int_eq(c.on_crash, VM_RESTART);
    vm_config_free(&c);
}
END_TEST

/* xl's rules: cmdline= wins over root= and extra=; each of those may stand alone. */
START_TEST(cmdline)
{
    ck_assert_int_eq(parse("cmdline=\"a b\"\nextra=\"c\"\n"), 0);
    ck_assert_str_eq(c.cmdline, "a b");
    ck_assert_str_eq(warnings,
                     "diptych: warning: g.cfg: root= and extra= are ignored in favour of cmdline=\n");
    vm_config_free(&c);
    ck_assert_int_eq(parse("extra=\"c\""), 0);
    ck_assert_str_eq(c.cmdline, "c");
    vm_config_free(&c);
    ck_assert_int_eq(parse("root=\"/dev/xvda\""), 0);
    ck_assert_str_eq(c.cmdline, "root=/dev/xvda");
    vm_config_free(&c);
}
END_TEST

START_TEST(defaults_stay)
{
    ck_assert_int_eq(parse(""), 0);
    ck_assert_ptr_null(c.kernel);
    ck_assert_uint_eq(c.memory, 256UL << 20);
    ck_assert_int_eq(c.on_reboot, VM_RESTART);
    ck_assert_int_eq(parse("builder=\"generic\""), 0);
    ck_assert_str_eq(warnings, "");
}
END_TEST

START_TEST(warned)
{
    ck_assert_int_eq(parse("kernal=\"x\"\n"
                           "# memroy=1\n"
                           "disk=[ 'a=b,c=d',\n  'foo = bar' ]\n"
                           "extra=\"panic = 1\"; vcpsu = 3\n"
                           "cpuid=\"host,avx2=0\"\n"),
                     0);
    ck_assert_str_eq(
        warnings,
        "diptych: warning: g.cfg:1: unknown key 'kernal' is ignored\n"
        "diptych: warning: g.cfg:3: 'disk' is ignored: PV devices beside the console are not offered\n"
        "diptych: warning: g.cfg:5: unknown key 'vcpsu' is ignored\n"
        "diptych: warning: g.cfg:6: 'cpuid' is ignored: use diptych run --cpu\n");
    vm_config_free(&c);
}
END_TEST

START_TEST(bad)
{
    refused("uuid=\"one\\ntwo\"\n", "one?two");
    refused("name=\"abc\nmemory=1\n", "lexical error");
    refused("kernel /boot/vmlinuz\n", "error");
    refused("disk=[ 'a',\n", "unexpected");
    refused("memory=\"lots\"\n", "g.cfg:1: parameter `memory' is not a valid number");
    refused("memory=1\n", "memory=1 is out of range");
    refused("memory=99999999999999999999\n", "memory");
    refused("vcpus=0\n", "vcpus=0 is out of range");
    refused("vcpus=33\n", "vcpus=33 is out of range");
    refused("vcpus=4\nmaxvcpus=2\n", "maxvcpus=2 is less than vcpus=4");
    refused("kernel=[ 'a' ]\n", "is a list");
    refused("type=\"hvm\"\n", "guests of type 'hvm' are not offered");
    refused("builder=\"hvm\"\n", "guests of type 'hvm' are not offered");
    refused("on_crash=\"rename-restart\"\n", "on_crash: 'rename-restart' is not an action");
    refused("uuid=\"123\"\n", "not a UUID");
    refused("uuid=\"01234567-89ab-cdef-0123-456789ABCDEG\"\n", "not a UUID");
    refused("uuid=\"01234567x89ab-cdef-0123-456789ABCDEF\"\n", "not a UUID");
}
END_TEST

/* libxlutil's scanner asserts that there is none; the user gets a line instead of an abort. */
START_TEST(nul_byte)
{
    static const char text[] = "name=\"a\0b\"\n";

    vm_config_init(&c);
    ck_assert_int_eq(xl_config_parse("g.cfg", text, sizeof(text) - 1, &c, why, sizeof(why)), -1);
    ck_assert_str_eq(why, "g.cfg: has a byte of value 0; is it a text file?");
}
END_TEST

START_TEST(files)
{
    char path[] = "/tmp/test_xl_config.XXXXXX";
    int fd = mkstemp(path);

    vm_config_init(&c);
    ck_assert_int_eq(write(fd, "name=\"f\"", 8), 8); /* no newline at the end */
    ck_assert_int_eq(xl_config_read(path, &c, why, sizeof(why)), 0);
    ck_assert_str_eq(c.name, "f");
    ck_assert_int_eq(ftruncate(fd, (1 << 20) + 1), 0);
    ck_assert_int_eq(xl_config_read(path, &c, why, sizeof(why)), -1);
    ck_assert_ptr_nonnull(strstr(why, "larger than"));
    close(fd);
    unlink(path);
    ck_assert_int_eq(xl_config_read(path, &c, why, sizeof(why)), -1);
    ck_assert_ptr_nonnull(strstr(why, "No such file"));
    ck_assert_int_eq(xl_config_read("/", &c, why, sizeof(why)), -1);
    ck_assert_ptr_nonnull(strstr(why, "Is a directory"));
    vm_config_free(&c);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("xl_config");

    tcase_add_test(t, complete);
    tcase_add_test(t, cmdline);
    tcase_add_test(t, defaults_stay);
    tcase_add_test(t, warned);
    tcase_add_test(t, bad);
    tcase_add_test(t, nul_byte);
    tcase_add_test(t, files);
    return suite_run("xl_config", t);
}
