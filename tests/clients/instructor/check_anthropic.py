"""instructor over Messages."""

import scene
from features import features
from setup_anthropic import client

scene.report("instructor", "Messages", *features(client, max_tokens=2000))
