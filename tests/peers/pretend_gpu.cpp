// A GPU that is none: a ggml backend whose devices have memory and no way to compute, so that llama.cpp, told not to
// allocate, says what it would put on a GPU. Alignment, scratch of attention, and which operations borrow weights are as in
// ggml-cuda.cu. Compiled and loaded by fit_reference.py --gpus.

#include "ggml-backend-impl.h"
#include "ggml-backend.h"
#include "ggml.h"

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

static const size_t ALIGNMENT = 128;
static const size_t ROW_PADDING = 512;
static const int64_t WORTH_BORROWING = 32;

struct gpu {
    std::string name, host_name;
    ggml_backend_buffer_type buft, host_buft;
    ggml_backend_device device;
};

static std::vector<gpu *> gpus;

static gpu * of(ggml_backend_dev_t dev) { return (gpu *) dev->context; }

// buffers

static void buffer_free(ggml_backend_buffer_t buffer) { free(buffer->context); }
static void * buffer_base(ggml_backend_buffer_t) { return (void *) 0x1000; }
static void buffer_clear(ggml_backend_buffer_t, uint8_t) {}
static void buffer_memset(ggml_backend_buffer_t, ggml_tensor *, uint8_t, size_t, size_t) {}
static void buffer_set(ggml_backend_buffer_t, ggml_tensor *, const void *, size_t, size_t) {}
static void buffer_get(ggml_backend_buffer_t, const ggml_tensor *, void *, size_t, size_t) {}

static ggml_backend_buffer_t buft_alloc(ggml_backend_buffer_type_t buft, size_t size) {
    ggml_backend_buffer_i iface = {};
    iface.free_buffer = buffer_free;
    iface.get_base = buffer_base;
    iface.memset_tensor = buffer_memset;
    iface.set_tensor = buffer_set;
    iface.get_tensor = buffer_get;
    iface.clear = buffer_clear;
    return ggml_backend_buffer_init(buft, iface, nullptr, size);
}

static const char * buft_name(ggml_backend_buffer_type_t buft) { return of(buft->device)->name.c_str(); }
static size_t buft_alignment(ggml_backend_buffer_type_t) { return ALIGNMENT; }

static size_t pad(size_t n) { return (n + 127) / 128 * 128; }

static size_t buft_alloc_size(ggml_backend_buffer_type_t, const ggml_tensor * tensor) {
    size_t size = ggml_nbytes(tensor);
    if (tensor->op == GGML_OP_FLASH_ATTN_EXT) {
        const ggml_tensor * k = tensor->src[1];
        const ggml_tensor * v = tensor->src[2];
        const bool same = v->view_src && (v->view_src == k || (v->view_src == k->view_src && v->view_offs == k->view_offs));
        if (k->type != GGML_TYPE_F16) {
            size = pad(size) + ggml_nelements(k) * 2;
        }
        if (v->type != GGML_TYPE_F16 && !same) {
            size = pad(size) + ggml_nelements(v) * 2;
        }
    }
    if (ggml_is_quantized(tensor->type) && tensor->ne[0] % ROW_PADDING != 0) {
        size += ggml_row_size(tensor->type, ROW_PADDING - tensor->ne[0] % ROW_PADDING);
    }
    return size;
}

static const char * host_name(ggml_backend_buffer_type_t buft) { return of(buft->device)->host_name.c_str(); }
static bool host_is_host(ggml_backend_buffer_type_t) { return true; }

static void host_free(ggml_backend_buffer_t buffer) { free(buffer->context); }
static void * host_base(ggml_backend_buffer_t buffer) { return buffer->context; }

static ggml_backend_buffer_t host_alloc(ggml_backend_buffer_type_t buft, size_t size) {
    void * memory = size ? aligned_alloc(64, (size + 63) / 64 * 64) : nullptr;
    ggml_backend_buffer_t buffer = buft_alloc(buft, size);
    buffer->context = memory;
    buffer->iface.free_buffer = host_free;
    buffer->iface.get_base = host_base;
    return buffer;
}

// backend

static ggml_guid guid = { 0x70, 0x72, 0x65, 0x74, 0x65, 0x6e, 0x64 };

static const char * backend_name(ggml_backend_t backend) { return of(backend->device)->name.c_str(); }
static void backend_free(ggml_backend_t backend) { delete backend; }
static void backend_synchronize(ggml_backend_t) {}
static enum ggml_status backend_compute(ggml_backend_t, ggml_cgraph *) { return GGML_STATUS_FAILED; }
static void backend_event(ggml_backend_t, ggml_backend_event_t) {}

// device

static const char * device_name(ggml_backend_dev_t dev) { return of(dev)->name.c_str(); }
static const char * device_description(ggml_backend_dev_t) { return "no GPU"; }
static void device_memory(ggml_backend_dev_t, size_t * free, size_t * total) { *free = *total = (size_t) 24 << 30; }
static enum ggml_backend_dev_type device_type(ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_GPU; }

static void device_props(ggml_backend_dev_t dev, ggml_backend_dev_props * props) {
    memset(props, 0, sizeof(*props));
    props->name = device_name(dev);
    props->description = device_description(dev);
    props->type = device_type(dev);
    device_memory(dev, &props->memory_free, &props->memory_total);
    props->caps.async = true;
    props->caps.host_buffer = true;
    props->caps.events = true;
}

static ggml_backend_t device_init(ggml_backend_dev_t dev, const char *) {
    ggml_backend_i iface = {};
    iface.get_name = backend_name;
    iface.free = backend_free;
    iface.synchronize = backend_synchronize;
    iface.graph_compute = backend_compute;
    iface.event_record = backend_event;
    iface.event_wait = backend_event;
    return new ggml_backend { &guid, iface, dev, nullptr };
}

static ggml_backend_buffer_type_t device_buft(ggml_backend_dev_t dev) { return &of(dev)->buft; }
static ggml_backend_buffer_type_t device_host_buft(ggml_backend_dev_t) { return &gpus[0]->host_buft; }
static bool device_supports_op(ggml_backend_dev_t, const ggml_tensor *) { return true; }
static bool device_supports_buft(ggml_backend_dev_t dev, ggml_backend_buffer_type_t buft) { return buft == &of(dev)->buft; }

static bool device_offload_op(ggml_backend_dev_t, const ggml_tensor * op) {
    switch (op->op) {
        case GGML_OP_GET_ROWS: return false;
        case GGML_OP_MUL_MAT: return op->ne[1] >= WORTH_BORROWING;
        case GGML_OP_MUL_MAT_ID:
        case GGML_OP_ROPE: return op->ne[2] >= WORTH_BORROWING;
        default: return ggml_nrows(op) >= WORTH_BORROWING;
    }
}

static ggml_backend_event_t device_event(ggml_backend_dev_t dev) { return new ggml_backend_event { dev, nullptr }; }
static void device_event_free(ggml_backend_dev_t, ggml_backend_event_t event) { delete event; }
static void device_event_synchronize(ggml_backend_dev_t, ggml_backend_event_t) {}

// registry

static const char * reg_name(ggml_backend_reg_t) { return "Pretend"; }
static size_t reg_count(ggml_backend_reg_t) { return gpus.size(); }
static ggml_backend_dev_t reg_device(ggml_backend_reg_t, size_t index) { return &gpus[index]->device; }
static void * reg_address(ggml_backend_reg_t, const char *) { return nullptr; }

extern "C" void pretend_gpus(int count) {
    static ggml_backend_reg reg = { GGML_BACKEND_API_VERSION, { reg_name, reg_count, reg_device, reg_address }, nullptr };
    ggml_backend_device_i device = {};
    device.get_name = device_name;
    device.get_description = device_description;
    device.get_memory = device_memory;
    device.get_type = device_type;
    device.get_props = device_props;
    device.init_backend = device_init;
    device.get_buffer_type = device_buft;
    device.get_host_buffer_type = device_host_buft;
    device.supports_op = device_supports_op;
    device.supports_buft = device_supports_buft;
    device.offload_op = device_offload_op;
    device.event_new = device_event;
    device.event_free = device_event_free;
    device.event_synchronize = device_event_synchronize;
    for (int i = 0; i < count; i++) {
        gpu * made = new gpu;
        made->name = "Pretend" + std::to_string(i);
        made->host_name = "Pretend_Host";
        made->device = { device, &reg, made };
        made->buft = { { buft_name, buft_alloc, buft_alignment, nullptr, buft_alloc_size, nullptr }, &made->device, nullptr };
        made->host_buft = { { host_name, host_alloc, buft_alignment, nullptr, nullptr, host_is_host }, &made->device, nullptr };
        made->host_buft.iface.get_alignment = ggml_backend_cpu_buffer_type()->iface.get_alignment;
        gpus.push_back(made);
    }
    ggml_backend_register(&reg);
}
