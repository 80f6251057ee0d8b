// A Vulkan layer for compiling without a GPU: it sits above Mesa's RADV with RADV_FORCE_FAMILY (the "null winsys",
// which compiles for a chip that is not there and crashes when a command buffer is begun). Whatever would execute is
// answered here and done by nobody; each compute pipeline is created with its statistics captured and written down.
//
//   VOXELGRAD_STATIC_OUT   file; one line of JSON a pipeline: {"entry", "subgroup", "statistics": {name: value}, "asm": file}
//   VOXELGRAD_STATIC_ASM   folder; the machine code of each pipeline as text (left out: none)
//
// Results of such a device are garbage: nothing may be read back and believed.
#define _GNU_SOURCE
#define VK_NO_PROTOTYPES
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#define EXPORT __attribute__((visibility("default")))

// One instance and one driver are in play, so that one set of pointers serves all devices.
static PFN_vkGetInstanceProcAddr next_instance_proc;
static PFN_vkGetDeviceProcAddr next_device_proc;
static VkInstance instance;
static PFN_vkCreateComputePipelines next_create;
static PFN_vkGetPipelineExecutablePropertiesKHR next_executables;
static PFN_vkGetPipelineExecutableStatisticsKHR next_statistics;
static PFN_vkGetPipelineExecutableInternalRepresentationsKHR next_texts;

static void text_json(FILE *out, const char *text) {
  fputc('"', out);
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') fputc('\\', out);
    if ((unsigned char)*text >= ' ') fputc(*text, out);
  }
  fputc('"', out);
}

static void write_statistics(FILE *out, VkDevice device, VkPipeline pipeline, unsigned executable) {
  VkPipelineExecutableInfoKHR info = {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, NULL, pipeline, executable};
  uint32_t count = 0;
  next_statistics(device, &info, &count, NULL);
  VkPipelineExecutableStatisticKHR *list = calloc(count, sizeof *list);
  for (uint32_t i = 0; i < count; i++) list[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
  next_statistics(device, &info, &count, list);
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0) fputc(',', out);
    text_json(out, list[i].name);
    if (list[i].format == VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR) fprintf(out, ":%g", list[i].value.f64);
    else if (list[i].format == VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR) fprintf(out, ":%u", list[i].value.b32);
    else fprintf(out, ":%lld", (long long)list[i].value.i64);
  }
  free(list);
}

// The last representation that RADV gives is the machine code.
static void write_assembly(const char *path, VkDevice device, VkPipeline pipeline, unsigned executable) {
  VkPipelineExecutableInfoKHR info = {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, NULL, pipeline, executable};
  uint32_t count = 0;
  next_texts(device, &info, &count, NULL);
  VkPipelineExecutableInternalRepresentationKHR *list = calloc(count, sizeof *list);
  for (uint32_t i = 0; i < count; i++)
    list[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR;
  next_texts(device, &info, &count, list);
  for (uint32_t i = 0; i < count; i++) list[i].pData = calloc(1, list[i].dataSize + 1);
  next_texts(device, &info, &count, list);
  FILE *out = fopen(path, "w");
  for (uint32_t i = 0; i < count; i++) {
    if (out && strcasestr(list[i].name, "assembly")) fwrite(list[i].pData, 1, strlen(list[i].pData), out);
    free(list[i].pData);
  }
  if (out) fclose(out);
  free(list);
}

static void record(VkDevice device, VkPipeline pipeline, const VkComputePipelineCreateInfo *create) {
  static unsigned number;
  const char *path = getenv("VOXELGRAD_STATIC_OUT");
  FILE *out = path ? fopen(path, "a") : NULL;
  if (!out) return;
  VkPipelineInfoKHR info = {VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, NULL, pipeline};
  uint32_t count = 0;
  next_executables(device, &info, &count, NULL);
  VkPipelineExecutablePropertiesKHR *list = calloc(count, sizeof *list);
  for (uint32_t i = 0; i < count; i++) list[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR;
  next_executables(device, &info, &count, list);
  const char *folder = getenv("VOXELGRAD_STATIC_ASM");
  for (uint32_t i = 0; i < count; i++) {
    char name[64] = "";
    if (folder && *folder) {
      char file[4096];
      snprintf(name, sizeof name, "%u-%u.s", (unsigned)getpid(), number++);
      snprintf(file, sizeof file, "%s/%s", folder, name);
      write_assembly(file, device, pipeline, i);
    }
    fputs("{\"entry\":", out);
    text_json(out, create->stage.pName);
    fprintf(out, ",\"subgroup\":%u,\"asm\":\"%s\",\"statistics\":{", list[i].subgroupSize, name);
    write_statistics(out, device, pipeline, i);
    fputs("}}\n", out);
  }
  free(list);
  fclose(out);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_compute_pipelines(
    VkDevice device, VkPipelineCache cache, uint32_t count, const VkComputePipelineCreateInfo *infos,
    const VkAllocationCallbacks *allocator, VkPipeline *pipelines) {
  VkComputePipelineCreateInfo *own = malloc(count * sizeof *own);
  memcpy(own, infos, count * sizeof *own);
  for (uint32_t i = 0; i < count; i++) {
    own[i].flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR;
    if (getenv("VOXELGRAD_STATIC_ASM")) own[i].flags |= VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
  }
  // No cache: what it holds was compiled without statistics.
  (void)cache;
  VkResult result = next_create(device, VK_NULL_HANDLE, count, own, allocator, pipelines);
  if (result == VK_SUCCESS)
    for (uint32_t i = 0; i < count; i++) record(device, pipelines[i], &own[i]);
  free(own);
  return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL succeed(void) { return VK_SUCCESS; }
static VKAPI_ATTR void VKAPI_CALL do_nothing(void) {}

static VkLayerDeviceCreateInfo *device_link(const VkDeviceCreateInfo *info) {
  VkLayerDeviceCreateInfo *link = (void *)info->pNext;
  while (link && !(link->sType == VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO && link->function == VK_LAYER_LINK_INFO))
    link = (void *)link->pNext;
  return link;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(
    VkPhysicalDevice physical, const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator,
    VkDevice *device) {
  VkLayerDeviceCreateInfo *link = device_link(info);
  if (!link) return VK_ERROR_INITIALIZATION_FAILED;
  PFN_vkGetInstanceProcAddr instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  next_device_proc = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  PFN_vkCreateDevice create = (PFN_vkCreateDevice)instance_proc(instance, "vkCreateDevice");
  const char **names = malloc((info->enabledExtensionCount + 1) * sizeof *names);
  memcpy(names, info->ppEnabledExtensionNames, info->enabledExtensionCount * sizeof *names);
  names[info->enabledExtensionCount] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR feature = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR, (void *)info->pNext, VK_TRUE};
  VkDeviceCreateInfo own = *info;
  own.pNext = &feature;
  own.enabledExtensionCount++;
  own.ppEnabledExtensionNames = names;
  VkResult result = create(physical, &own, allocator, device);
  free(names);
  if (result != VK_SUCCESS) return result;
  next_create = (PFN_vkCreateComputePipelines)next_device_proc(*device, "vkCreateComputePipelines");
  next_executables =
      (PFN_vkGetPipelineExecutablePropertiesKHR)next_device_proc(*device, "vkGetPipelineExecutablePropertiesKHR");
  next_statistics =
      (PFN_vkGetPipelineExecutableStatisticsKHR)next_device_proc(*device, "vkGetPipelineExecutableStatisticsKHR");
  next_texts = (PFN_vkGetPipelineExecutableInternalRepresentationsKHR)next_device_proc(
      *device, "vkGetPipelineExecutableInternalRepresentationsKHR");
  return next_create && next_executables && next_statistics && next_texts ? VK_SUCCESS
                                                                          : VK_ERROR_INITIALIZATION_FAILED;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(
    const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator, VkInstance *made) {
  VkLayerInstanceCreateInfo *link = (void *)info->pNext;
  while (link && !(link->sType == VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO && link->function == VK_LAYER_LINK_INFO))
    link = (void *)link->pNext;
  if (!link) return VK_ERROR_INITIALIZATION_FAILED;
  next_instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  PFN_vkCreateInstance create = (PFN_vkCreateInstance)next_instance_proc(NULL, "vkCreateInstance");
  VkResult result = create(info, allocator, made);
  if (result == VK_SUCCESS) instance = *made;
  return result;
}

static PFN_vkVoidFunction own_function(const char *name) {
  static const char *const answered[] = {
      "vkBeginCommandBuffer", "vkEndCommandBuffer", "vkResetCommandBuffer", "vkResetCommandPool", "vkQueueSubmit",
      "vkQueueSubmit2",       "vkQueueSubmit2KHR",  "vkQueueWaitIdle",      "vkDeviceWaitIdle",   "vkWaitForFences",
      "vkGetFenceStatus",     "vkResetFences",      "vkQueueBindSparse",
  };
  if (!strcmp(name, "vkCreateComputePipelines")) return (PFN_vkVoidFunction)create_compute_pipelines;
  for (size_t i = 0; i < sizeof answered / sizeof *answered; i++)
    if (!strcmp(name, answered[i])) return (PFN_vkVoidFunction)succeed;
  if (!strncmp(name, "vkCmd", 5)) return (PFN_vkVoidFunction)do_nothing;
  return NULL;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_proc(VkDevice device, const char *name) {
  if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)device_proc;
  PFN_vkVoidFunction next = next_device_proc(device, name);
  PFN_vkVoidFunction own = next ? own_function(name) : NULL;
  return own ? own : next;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_proc(VkInstance of, const char *name) {
  if (!strcmp(name, "vkGetInstanceProcAddr")) return (PFN_vkVoidFunction)instance_proc;
  if (!strcmp(name, "vkCreateInstance")) return (PFN_vkVoidFunction)create_instance;
  if (!strcmp(name, "vkCreateDevice")) return (PFN_vkVoidFunction)create_device;
  if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)device_proc;
  if (!next_instance_proc) return NULL;
  PFN_vkVoidFunction next = next_instance_proc(of, name);
  PFN_vkVoidFunction own = next ? own_function(name) : NULL;
  return own ? own : next;
}

EXPORT VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *version) {
  if (version->loaderLayerInterfaceVersion < 2) return VK_ERROR_INITIALIZATION_FAILED;
  version->loaderLayerInterfaceVersion = 2;
  version->pfnGetInstanceProcAddr = instance_proc;
  version->pfnGetDeviceProcAddr = device_proc;
  version->pfnGetPhysicalDeviceProcAddr = NULL;
  return VK_SUCCESS;
}
