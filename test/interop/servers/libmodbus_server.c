/* A Modbus server on libmodbus: rtu DEVICE | tcp PORT. Plain memory, and the strikes of the reference map, as a PLC has them.

   Says "ready" once it serves, and "coil N on" or "off" whenever a strike moves. Lines on standard input are what happens at the device: "set di 2 1" changes an input,
   "get hr 1000 10" asks for memory and is answered "hr 1000: 1 2 3 …". */

#include <modbus.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 8, COILS = 0x500, INPUTS = 256, HOLDING = 8000, INPUT_REGISTERS = 1000, SCAN_MS = 20, TENTH_MS = 100 };

static modbus_mapping_t *memory;
static int is_open = 1;

static long long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* A register that is not 0 counts down in tenths of a second, and holds its coil meanwhile. */
static void scan(void) {
  static long long next_ms[2];
  for (int coil = 0; coil < 2; coil++) {
    uint16_t *left = &memory->tab_registers[16 + coil];
    if (*left > 0 && next_ms[coil] == 0) {
      memory->tab_bits[coil] = 1;
      next_ms[coil] = now_ms() + TENTH_MS;
      printf("coil %d on\n", coil);
    } else if (*left == 0 && next_ms[coil] != 0) {
      memory->tab_bits[coil] = 0;
      next_ms[coil] = 0;
      printf("coil %d off\n", coil);
    } else if (*left > 0 && now_ms() >= next_ms[coil]) {
      *left -= 1;
      next_ms[coil] += TENTH_MS;
    }
  }
  fflush(stdout);
}

static int size_of(const char *area) {
  if (strcmp(area, "co") == 0) return COILS;
  if (strcmp(area, "di") == 0) return INPUTS;
  return strcmp(area, "hr") == 0 ? HOLDING : INPUT_REGISTERS;
}

static int value_at(const char *area, int at) {
  if (strcmp(area, "co") == 0) return memory->tab_bits[at];
  if (strcmp(area, "di") == 0) return memory->tab_input_bits[at];
  return strcmp(area, "hr") == 0 ? memory->tab_registers[at] : memory->tab_input_registers[at];
}

static void set_value(const char *area, int at, int value) {
  if (strcmp(area, "co") == 0) memory->tab_bits[at] = value;
  else if (strcmp(area, "di") == 0) memory->tab_input_bits[at] = value;
  else if (strcmp(area, "hr") == 0) memory->tab_registers[at] = value;
  else memory->tab_input_registers[at] = value;
}

static void hear(const char *line) {
  char verb[8], area[8];
  int at, value;
  if (sscanf(line, "%7s %7s %d %d", verb, area, &at, &value) != 4 || at < 0 || at >= size_of(area)) return;
  if (strcmp(verb, "set") == 0) {
    set_value(area, at, value);
    return;
  }
  printf("%s %d:", area, at);
  for (int i = at; i < at + value && i < size_of(area); i++) printf(" %d", value_at(area, i));
  printf("\n");
  fflush(stdout);
}

/* Whatever has come on standard input, line by line. */
static void listen_to_lines(void) {
  static char text[4096];
  static size_t length;
  ssize_t got = read(STDIN_FILENO, text + length, sizeof text - length - 1);
  if (got <= 0) {
    is_open = 0;
    return;
  }
  length += got;
  text[length] = 0;
  for (char *end; (end = strchr(text, '\n')) != NULL;) {
    *end = 0;
    hear(text);
    length -= end + 1 - text;
    memmove(text, end + 1, length + 1);
  }
}

/* One request of whoever is connected; false when that one has gone. */
static int serve(modbus_t *line) {
  uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
  int length = modbus_receive(line, query);
  if (length > 0) {
    modbus_reply(line, query, length, memory);
    scan();
  }
  return length >= 0;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int is_serial = strcmp(argv[1], "rtu") == 0;
  memory = modbus_mapping_new(COILS, INPUTS, HOLDING, INPUT_REGISTERS);
  memory->tab_registers[0] = 0x4C4E;
  memory->tab_registers[1] = 0x0201;
  memory->tab_registers[2] = 1;
  modbus_t *line = is_serial ? modbus_new_rtu(argv[2], 115200, 'N', 8, 1) : modbus_new_tcp("127.0.0.1", atoi(argv[2]));
  if (is_serial) {
    modbus_set_slave(line, 1);
    if (modbus_connect(line) != 0) return 1;
  }
  int listening = is_serial ? -1 : modbus_tcp_listen(line, CLIENTS);
  if (!is_serial && listening < 0) return 1;
  printf("ready\n");
  fflush(stdout);
  /* 0: standard input, 1: the serial line or the listening socket, then whoever is connected. */
  struct pollfd watched[2 + CLIENTS] = {{STDIN_FILENO, POLLIN, 0}, {is_serial ? modbus_get_socket(line) : listening, POLLIN, 0}};
  int count = 2;
  for (;;) {
    watched[0].fd = is_open ? STDIN_FILENO : -1;
    if (poll(watched, count, SCAN_MS) < 0) return 1;
    scan();
    if (watched[0].revents != 0) listen_to_lines();
    if (watched[1].revents != 0) {
      if (is_serial) serve(line);
      else if (count < 2 + CLIENTS) {
        int socket = modbus_tcp_accept(line, &listening);
        if (socket >= 0) watched[count++] = (struct pollfd){socket, POLLIN, 0};
      }
    }
    for (int i = 2; i < count; i++) {
      if (watched[i].revents == 0) continue;
      modbus_set_socket(line, watched[i].fd);
      if (serve(line)) continue;
      close(watched[i].fd);
      watched[i--] = watched[--count];
    }
  }
}
