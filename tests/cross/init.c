/*
 * The first process of a virtual machine of tests/cross/machine.py: mounts two disks, the roots (read-only) and the
 * work, and runs /work/run in the root "bookworm". Then the machine is switched off.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DISK_WAIT_MS = 30000 };

static void switch_off(void)
{
    sync();
    reboot(RB_POWER_OFF);
    _exit(1);
}

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    printf("init: %s: %s\n", what, strerror(errno));
    switch_off();
}

/* /modules names them in the order in which they depend on each other. */
static void load_modules(void)
{
    char name[256];
    FILE *list = fopen("/modules", "r");
    must(list ? 0 : -1, "/modules");
    while (fgets(name, sizeof name, list)) {
        name[strcspn(name, "\n")] = '\0';
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        must(fd, name);
        must((int)syscall(SYS_finit_module, fd, "", 0), name);
        close(fd);
    }
    fclose(list);
}

static void wait_for(const char *path)
{
    for (int i = 0; access(path, F_OK) != 0 && i < DISK_WAIT_MS; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void mount_in(const char *root, const char *place, const char *type, const char *device, unsigned long flags)
{
    char path[256];
    snprintf(path, sizeof path, "/roots/%s/%s", root, place);
    must(mount(device, path, type, flags, NULL), path);
}

int main(void)
{
    static char *const arguments[] = { "/work/run", NULL };
    static char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "LC_ALL=C.UTF-8", NULL };

    mkdir("/dev", 0755);
    mkdir("/roots", 0755);
    must(mount("dev", "/dev", "devtmpfs", 0, NULL), "/dev");
    load_modules();
    wait_for("/dev/vdb");
    must(mount("/dev/vda", "/roots", "ext4", MS_RDONLY, NULL), "the disk with the roots");
    mount_in("bookworm", "proc", "proc", "proc", 0);
    mount_in("bookworm", "sys", "sysfs", "sys", 0);
    mount_in("bookworm", "dev", "devtmpfs", "dev", 0);
    mount_in("bookworm", "tmp", "tmpfs", "tmp", 0);
    mount_in("bookworm", "work", "ext4", "/dev/vdb", 0);
    mount_in("bookworm", "sid", NULL, "/roots/sid", MS_BIND);
    mount_in("bookworm", "sid/proc", "proc", "proc", 0);
    mount_in("bookworm", "sid/dev", "devtmpfs", "dev", 0);
    mount_in("bookworm", "sid/tmp", "tmpfs", "tmp", 0);
    must(chdir("/roots/bookworm"), "chdir");
    must(chroot("."), "chroot");
    must(chdir("/work"), "/work");

    pid_t child = fork();
    must(child, "fork");
    if (child == 0) {
        execve(arguments[0], arguments, environment);
        printf("init: %s: %s\n", arguments[0], strerror(errno));
        _exit(127);
    }
    while (waitpid(-1, NULL, 0) != child || errno == EINTR)
        continue;
    chdir("/");
    umount("/work");
    switch_off();
}
