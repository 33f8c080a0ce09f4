/* Stretches every flush to the disk by LINTEL_FLUSH_US microseconds, as a slow SD card would: preloaded into the process under measurement. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_a_little(void) {
  static int microseconds = -1;
  if (microseconds < 0) {
    const char *text = getenv("LINTEL_FLUSH_US");
    microseconds = text ? atoi(text) : 0;
  }
  if (microseconds > 0) usleep((useconds_t)microseconds);
}

int fsync(int handle) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  wait_a_little();
  return real(handle);
}

int fdatasync(int handle) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  wait_a_little();
  return real(handle);
}
