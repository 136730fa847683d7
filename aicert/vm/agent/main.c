/* main.c -- the program that is /init of the measured runner (agent.h).  SPDX-License-Identifier: Apache-2.0 */
#include "vm/agent/agent.h"

int
main(void)
{
	return ai_agent_init();
}
