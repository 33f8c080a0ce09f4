/* A Modbus server on libmodbus with plain memory: rtu DEVICE | tcp PORT. Says "ready" once it serves. */

#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void serve(modbus_t *line, modbus_mapping_t *memory) {
  uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
  for (;;) {
    int length = modbus_receive(line, query);
    if (length > 0) modbus_reply(line, query, length, memory);
    else if (length < 0) return;
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  modbus_mapping_t *memory = modbus_mapping_new(0x500, 256, 8000, 1000);
  memory->tab_registers[0] = 0x4C4E;
  memory->tab_registers[1] = 0x0201;
  memory->tab_registers[2] = 1;
  memory->tab_input_bits[1] = 1;
  if (strcmp(argv[1], "rtu") == 0) {
    modbus_t *line = modbus_new_rtu(argv[2], 115200, 'N', 8, 1);
    modbus_set_slave(line, 1);
    if (modbus_connect(line) != 0) return 1;
    printf("ready\n");
    fflush(stdout);
    for (;;) serve(line, memory);
  }
  modbus_t *line = modbus_new_tcp("127.0.0.1", atoi(argv[2]));
  int listening = modbus_tcp_listen(line, 1);
  if (listening < 0) return 1;
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    if (modbus_tcp_accept(line, &listening) < 0) return 1;
    serve(line, memory);
    modbus_close(line);
  }
}
