// Fastify with onnxruntime-node, one thread, replies written by a schema: node fastify_peer.js PORT
const ort = require("onnxruntime-node");
const fastify = require("fastify");

async function main() {
  const session = await ort.InferenceSession.create(process.env.MODEL + "/net.onnx",
    { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: "sequential", graphOptimizationLevel: "all" });
  const app = fastify({ logger: false, bodyLimit: 64 << 20 });
  const rows = { type: "array", items: { type: "array", items: { type: "number" } } };
  const schema = { response: { 200: { type: "object", properties: { y: rows } } } };
  app.post("/forward", { schema }, async ({ body: { x } }) => {
    const flat = new Float32Array(x.length * 784);
    x.forEach((row, i) => flat.set(row, i * 784));
    const { y } = await session.run({ x: new ort.Tensor("float32", flat, [x.length, 784]) });
    return { y: x.map((_, i) => Array.from(y.data.subarray(i * 10, i * 10 + 10))) };
  });
  await app.listen({ port: Number(process.argv[2]), host: "127.0.0.1" });
}
main();
