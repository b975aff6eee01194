// Google's SDK for JavaScript. `GOOGLE_GEMINI_BASE_URL` and `GEMINI_API_KEY` do without the arguments.

import { GoogleGenAI } from "@google/genai";

export const client = new GoogleGenAI({
  apiKey: process.env.TOLLWAY_KEY,
  httpOptions: { baseUrl: process.env.TOLLWAY_URL },
});
