// ai with @ai-sdk/openai: Responses, its default. It does not read the thoughts of models that are not OpenAI's.

import { features } from "./features.mjs";
import * as scene from "./scene.mjs";
import { provider } from "./setup_openai.mjs";

await scene.report("@ai-sdk/openai", "Responses", features(provider, { openai: { store: false } }));
