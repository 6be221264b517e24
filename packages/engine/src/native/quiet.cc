// Exports quietly(callback) to JavaScript: it calls the callback while stderr of the process is /dev/null.
// TensorFlow 2.21 logs a line while it is loaded, before any of its settings can prevent it.
#include <fcntl.h>
#include <node_api.h>
#include <unistd.h>

static napi_value Quietly(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value callback, receiver, result = nullptr;
  napi_get_cb_info(env, info, &count, &callback, &receiver, nullptr);
  const int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  dup2(nowhere, STDERR_FILENO);
  napi_call_function(env, receiver, callback, 0, nullptr, &result);  // what it throws stays pending
  dup2(saved, STDERR_FILENO);
  close(nowhere);
  close(saved);
  return result;
}

NAPI_MODULE_INIT() {
  napi_value quietly;
  napi_create_function(env, "quietly", NAPI_AUTO_LENGTH, Quietly, nullptr, &quietly);
  napi_set_named_property(env, exports, "quietly", quietly);
  return exports;
}
